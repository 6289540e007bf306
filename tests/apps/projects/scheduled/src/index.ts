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
    const notes = await env.NOTES.getByName("notes").all();
    // It may have been called more than once until somebody asks.
    return Response.json({ called: notes.length >= 2, ...JSON.parse(notes[0] ?? "{}"), then: notes[1] ?? null });
  },

  async scheduled(controller: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void> {
    const notes = env.NOTES.getByName("notes");
    await notes.add(JSON.stringify({
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
