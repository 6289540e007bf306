// Says how often it was built, and what keeps it awake.
import { Base } from "./base.js";

export class Sleeper extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      this.built = ((await ctx.storage.get("built")) ?? 0) + 1;
      ctx.storage.put("built", this.built);
    });
  }

  async webSocketMessage(ws, text) {
    const [kind, ms, name] = text.split(" ");
    if (kind === "timer") setTimeout(() => ws.send(`timer ${this.built}`), Number(ms));
    if (kind === "waitUntil") {
      // No timer of the object's: only the promise keeps it.
      this.ctx.waitUntil(scheduler.wait(Number(ms)).then(() => ws.send(`waited ${this.built}`)));
    }
    if (kind === "alarm") this.ctx.storage.setAlarm(Date.now() + Number(ms));
    if (kind === "named") this.ctx.dormouse.timers.set(name, Date.now() + Number(ms));
    if (kind === "put") await this.ctx.storage.put(name.repeat(Number(ms)), "kept");
    if (kind === "get") ws.send(await this.ctx.storage.get(name.repeat(Number(ms))));
    const { id } = ws.deserializeAttachment();
    ws.send(JSON.stringify({ built: this.built, id, tags: this.ctx.getTags(ws),
      tagged: this.ctx.getWebSockets(`tag-${id}`).length, all: this.ctx.getWebSockets().length }));
  }

  dormouseTimer(name, { retryCount }) {
    if (name === "fails" && retryCount === 0) throw new Error("as it is to");
    for (const ws of this.ctx.getWebSockets()) ws.send(`${name} ${retryCount}`);
  }

  alarm() {
    for (const ws of this.ctx.getWebSockets()) ws.send(`alarm ${this.built}`);
  }
}
