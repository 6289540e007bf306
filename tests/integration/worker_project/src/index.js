// /CLASS/NAME?id=... goes to the object of that name.
export { Counter } from "./counter.js";
export { Attacked, Unbuildable } from "./attacked.js";
export { Sleeper } from "./sleeper.js";

export default {
  async fetch(request, env) {
    const [, kind, name] = new URL(request.url).pathname.split("/");
    if (!env[kind] || !name) return new Response("There is no such class.", { status: 404 });
    return env[kind].getByName(name).fetch(request);
  },
};
