// What a backend has of Dormouse: one POST (../api.md).
const API = process.env.DORMOUSE_API ?? 'http://127.0.0.1:8090/api/hubs';
const KEY = process.env.DORMOUSE_API_KEY;  // of `deploy/local up`: $(cat dormouse-data/api-key)

// `hub` as in 'signal/fleet'. Rejects with the sentence that says what is wrong.
export async function ask(hub, verb, body = {}) {
  const response = await fetch(`${API}/${hub}/${verb}`, {
    method: 'POST', headers: {Authorization: `Bearer ${KEY}`}, body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${answer.error.code}: ${answer.error.message}`);
  return answer;
}
