// What a newer compatibility date changes: deleteAll takes the alarm with it; modules of Node; env without a handler.
import { DurableObject, env as imported } from "cloudflare:workers";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";

interface Env {
  ROOMS: DurableObjectNamespace<Room>;
  SILENT: DurableObjectNamespace<Silent>;
}

export class Room extends DurableObject<Env> {
  alarm(): void {}

  async emptied(): Promise<unknown> {
    await this.ctx.storage.put("key", 1);
    await this.ctx.storage.setAlarm(Date.now() + 3_600_000);
    await this.ctx.storage.deleteAll();
    return [(await this.ctx.storage.list()).size, await this.ctx.storage.getAlarm()];
  }
}

// Has neither fetch nor alarm.
export class Silent extends DurableObject<Env> {
  async alarmed(): Promise<string> {
    try {
      await this.ctx.storage.setAlarm(Date.now() + 1000);
      return "an alarm that nobody hears";
    } catch (error) {
      return `setAlarm throws ${(error as Error).name}`;
    }
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const room = env.ROOMS.getByName("room");
    switch (new URL(request.url).pathname) {
      case "/emptied":
        return Response.json(await room.emptied());
      case "/silent":
        return Response.json(await env.SILENT.getByName("one").alarmed());
      case "/node": {
        const heard: string[] = [];
        const emitter = new EventEmitter();
        emitter.on("word", (word: string) => heard.push(word));
        emitter.emit("word", "hello");
        return Response.json([Buffer.from("häß").toString("base64"), heard, Object.keys(imported).sort()]);
      }
    }
    try {
      return await env.SILENT.getByName("one").fetch(request);
    } catch (error) {
      return new Response(`no fetch: ${error instanceof Error}`);
    }
  },
} satisfies ExportedHandler<Env>;
