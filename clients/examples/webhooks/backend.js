// A chat room whose hub is this program: Dormouse posts its events here (../../webhooks.md). Node alone is all it needs.
import {createHmac, timingSafeEqual} from 'node:crypto';
import {createServer} from 'node:http';

const KEY = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ''), 'base64');
const FIVE_MINUTES = 300;

// Whether Dormouse has sent this, and lately.
function isSigned(headers, body) {
  const {'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = ''} = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= FIVE_MINUTES)) return false;
  const ours = Buffer.from('v1,' + createHmac('sha256', KEY).update(`${id}.${timestamp}.`).update(body).digest('base64'));
  return signatures.split(' ').some((theirs) => {
    const bytes = Buffer.from(theirs);
    return bytes.length === ours.length && timingSafeEqual(bytes, ours);
  });
}

// The commands for a batch of events. It may come twice (webhook-id is the same): this answers the same twice.
function handle({events, state}) {
  const commands = [];
  let lines = state.lines ?? [];
  for (const event of events) {
    const connection = event.connection;
    if (event.type === 'connect') {
      const name = new URLSearchParams(event.query).get('name');
      if (!name) {
        commands.push({verb: 'disconnect', connection, code: 4003, reason: 'who are you?'});
        continue;
      }
      commands.push({verb: 'tag', connection, tags: ['member', `name:${name}`]});
      commands.push(...lines.map((data) => ({verb: 'send', connection, data})));
    } else if (event.type === 'message' && event.data !== undefined) {
      commands.push({verb: 'send', tag: 'member', data: event.data});
      lines = [...lines, event.data].slice(-20);
    }
  }
  return [...commands, {verb: 'put', key: 'lines', value: lines}];
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const good = isSigned(request.headers, body);
  response.writeHead(good ? 200 : 401, {'content-type': 'application/json'});
  response.end(JSON.stringify(good ? {commands: handle(JSON.parse(body))} : {error: 'this is not signed with the secret'}));
});
server.listen(Number(process.argv[2] ?? 9000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
