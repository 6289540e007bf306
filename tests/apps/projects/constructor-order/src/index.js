// blockConcurrencyWhile: nothing else of the object happens until it is done, in the constructor as anywhere.
import { DurableObject } from "cloudflare:workers";

const nap = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Slow extends DurableObject {
  log = [];

  constructor(ctx, env) {
    super(ctx, env);
    this.log.push("constructor");
    ctx.blockConcurrencyWhile(async () => {
      this.log.push("first begins");
      await nap(100);
      this.found = (await ctx.storage.get("found")) ?? "nothing";
      this.log.push("first ends");
    });
    ctx.blockConcurrencyWhile(async () => {
      this.log.push("second begins");
      await ctx.storage.put("found", "something");
      this.log.push("second ends");
    });
    this.log.push("constructor ends");
  }

  async fetch(request) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/log":
        return Response.json([this.found, ...this.log]);
      case "/enter":
        this.log.push(`enter ${url.searchParams.get("n")}`);
        return new Response("entered");
      case "/block": {
        this.log.push("block");
        const value = await this.ctx.blockConcurrencyWhile(async () => {
          this.log.push("block begins");
          await nap(300);
          this.log.push("block ends");
          return "its value";
        });
        this.log.push(`block gave ${value}`);
        return new Response(value);
      }
      case "/fail":
        // Whoever awaits it sees the error; the object is made anew all the same.
        try {
          await this.ctx.blockConcurrencyWhile(async () => {
            throw new RangeError("on purpose");
          });
        } catch (error) {
          return new Response(`caught ${error.message}`);
        }
        return new Response("nothing was thrown");
    }
    return new Response("what?", { status: 404 });
  }
}

export default {
  async fetch(request, env) {
    const object = env.OBJECTS.getByName("slow");
    try {
      if (new URL(request.url).pathname === "/both") {
        // Calls of one stub come in the order in which they are made.
        const both = await Promise.all(["http://o/block", "http://o/enter?n=later"].map((url) => object.fetch(url)));
        return Response.json(await Promise.all(both.map((each) => each.text())));
      }
      return await object.fetch(request);
    } catch (error) {
      return new Response("the object is broken", { status: 503 });
    }
  },
};
