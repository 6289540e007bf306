// Does what its clients want, however bad.
import { Base } from "./base.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Attacked extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    this.fired = 0;
    this.seen = 0;
  }

  async webSocketMessage(ws, text) {
    const [kind, ...words] = text.split(" ");
    const answer = await this[kind](ws, ...words);
    if (answer !== undefined) ws.send(answer);
  }

  echo(ws, word) {
    return word;
  }

  async keep(ws, word) {
    await this.ctx.storage.put("kept", word);
    return word;
  }

  async kept() {
    return String(await this.ctx.storage.get("kept"));
  }

  loop() {
    for (;;) ;
  }

  bomb() {
    const all = [];
    for (;;) all.push(new Uint8Array(1 << 20).fill(1));
  }

  timers(ws, count) {
    for (let made = 0; made < Number(count); made++) setTimeout(() => {
      if (++this.fired === Number(count)) ws.send(`fired ${this.fired}`);
    }, 200 + made % 100);
    return "made";
  }

  async big(ws, size) {
    try {
      await this.ctx.storage.put("big", "x".repeat(Number(size)));
      await this.ctx.storage.sync();
    } catch (error) {
      return `throws ${error.name}: ${error.message.slice(0, 200)}`;
    }
    return "put";
  }

  async size() {
    return String((await this.ctx.storage.get("big"))?.length ?? 0);
  }

  throws() {
    throw new Error("always");
  }

  reply(ws, size) {
    return "x".repeat(Number(size));
  }

  async slow(ws, ms) {
    await pause(Number(ms));
    return "slow";
  }

  see() {
    this.seen++;
  }

  howMany() {
    return String(this.seen);
  }

  // Resolved by "open", which waits behind those that wait.
  async locked(ws, word) {
    this.seen++;
    await (this.lock ??= new Promise((resolve) => { this.unlock = resolve; }));
    return word;
  }

  open() {
    this.unlock();
    return "opened";
  }
}

export class Unbuildable extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    throw new Error("cannot be built");
  }
}
