// Work that goes on after the answer: in the Worker and in the object.
import { DurableObject } from "cloudflare:workers";

const nap = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Task extends DurableObject {
  log = [];

  add(line) {
    this.log.push(line);
  }

  read() {
    return this.log;
  }

  async fetch() {
    this.ctx.waitUntil((async () => {
      await nap(500);
      this.add("the object's work is done");
      await this.ctx.storage.put("done", true);
    })());
    // Not awaited and not handed to waitUntil: the object goes on all the same.
    nap(100).then(() => this.add("a promise of nobody"));
    this.add("the object answers");
    return new Response("answer");
  }

  async fail() {
    // An error there is nobody's.
    this.ctx.waitUntil(Promise.reject(new Error("in waitUntil")));
    return "well";
  }
}

export default {
  async fetch(request, env, ctx) {
    const task = env.TASKS.getByName("task");
    switch (new URL(request.url).pathname) {
      case "/worker":
        ctx.waitUntil((async () => {
          await nap(500);
          await task.add("the Worker's work is done");
        })());
        await task.add("the Worker answers");
        return new Response("answer");
      case "/object":
        return task.fetch(request);
      case "/fail":
        ctx.waitUntil(Promise.reject(new Error("in the Worker's waitUntil")));
        return new Response(await task.fail());
    }
    return Response.json(await task.read());
  },
};
