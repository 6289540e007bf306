// What lets other events in while a handler awaits, and what does not.
import { DurableObject } from "cloudflare:workers";

export class Gate extends DurableObject {
  log = [];
  doors = {};

  // Resolved by the request /let: only if that comes in while somebody waits here.
  door(name) {
    return new Promise((resolve) => (this.doors[name] = resolve));
  }

  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const name = searchParams.get("name");
    switch (pathname) {
      case "/let":
        this.log.push(`let ${name}`);
        this.doors[name]?.();
        return new Response("let");
      case "/promise":
        // A promise that only another event can keep.
        this.log.push("promise waits");
        await this.door("promise");
        this.log.push("promise goes on");
        break;
      case "/fetch": {
        this.log.push("fetch waits");
        const answer = await this.env.SELF.fetch("http://self/gate/let?name=none");
        this.log.push(`fetch got ${await answer.text()}`);
        break;
      }
      case "/other":
        // Another object calls this one back meanwhile.
        this.log.push("call waits");
        this.log.push(`call got ${await this.env.OTHERS.getByName("other").back(this.ctx.id.toString())}`);
        break;
      case "/timer":
        this.log.push("timer waits");
        await new Promise((resolve) => setTimeout(resolve, 300));
        this.log.push("timer goes on");
        break;
      case "/storage":
        this.log.push("storage waits");
        for (let step = 0; step < 100; step++) await this.ctx.storage.put(`step ${step % 10}`, step);
        await this.ctx.storage.get("step 1");
        this.log.push("storage goes on");
        break;
      case "/peek":
        return Response.json(this.log);
      case "/log":
        return Response.json(this.log.splice(0));
    }
    return new Response("done");
  }

  async called() {
    this.log.push("called back");
    return "hello";
  }
}

export class Other extends DurableObject {
  async back(id) {
    return `${await this.env.GATES.get(this.env.GATES.idFromString(id)).called()} from ${this.ctx.id.name}`;
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    url.pathname = url.pathname.replace(/^\/gate/, "");
    return env.GATES.getByName("gate").fetch(new Request(url, request));
  },
};
