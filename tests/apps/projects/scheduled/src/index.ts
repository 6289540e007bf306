// A Worker that is called by the clock, and tells an object so.
import { DurableObject } from "cloudflare:workers";

interface Env {
  NOTES: DurableObjectNamespace<Notes>;
}

export class Notes extends DurableObject<Env> {
  add(note: string): void {
    this.ctx.storage.kv.put(`note ${this.all().length}`, note);
  }
  all(): string[] {
    return [...this.ctx.storage.kv.list<string>({ prefix: "note " })].map(([, note]) => note);
  }
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    // It may have been called for more than one minute until somebody asks.
    const notes = await env.NOTES.getByName("notes").all();
    const called = notes.filter((note) => note.startsWith("{")).map((note) => JSON.parse(note));
    const { time, ...first } = called[0] ?? {};
    const onceAMinute = new Set(called.map((each) => each.time)).size === called.length;
    return Response.json({ called: notes.length >= 2, ...first, onceAMinute, then: notes[1] ?? null });
  },

  async scheduled(controller: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void> {
    const notes = env.NOTES.getByName("notes");
    await notes.add(JSON.stringify({
      time: controller.scheduledTime,
      cron: controller.cron,
      fullMinute: controller.scheduledTime % 60_000 === 0,
      justNow: Math.abs(Date.now() - controller.scheduledTime) < 90_000,
    }));
    ctx.waitUntil((async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await notes.add("what it waited for");
    })());
  },
} satisfies ExportedHandler<Env>;
