// /CLASS/NAME?id=... goes to the object of that name; a WebSocket at /kept/NAME stays here and says everything back;
// /waits/MS is answered after that time, /waits never.
export { Counter } from "./counter.js";
export { Attacked, Unbuildable } from "./attacked.js";
export { Sleeper } from "./sleeper.js";

export default {
  async fetch(request, env) {
    const [, kind, name] = new URL(request.url).pathname.split("/");
    if (kind === "kept") return keep();
    if (kind === "waits") return wait(name);
    if (!env[kind] || !name) return new Response("There is no such class.", { status: 404 });
    return env[kind].getByName(name).fetch(request);
  },
};

function wait(ms) {
  console.log("a request waits");
  return new Promise((resolve) => { if (ms) setTimeout(() => resolve(new Response("at last")), Number(ms)); });
}

function keep() {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.addEventListener("message", ({ data }) => server.send(data));
  return new Response(null, { status: 101, webSocket: client });
}
