// A job that fails twice: the alarm comes again after two seconds, then after four, and says which attempt it is.
import { DurableObject } from "cloudflare:workers";

export class Job extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket, word) {
    if (word === "start") {
      await this.ctx.storage.put({ log: [], begun: Date.now() });
      await this.ctx.storage.setAlarm(Date.now());
      socket.send("started");
    } else {
      socket.send(JSON.stringify(await this.ctx.storage.get("log")));
    }
  }

  async alarm({ isRetry, retryCount }) {
    const log = await this.ctx.storage.get("log");
    const seconds = (Date.now() - (await this.ctx.storage.get("begun"))) / 1000;
    // At 0, after 2 more, after 4 more.
    const inTime = seconds >= [0, 1.5, 4.5][retryCount] && seconds < [2, 6, 14][retryCount];
    log.push(`${isRetry ? "retry" : "first"} ${retryCount}${inTime ? "" : ` after ${seconds} s`}`);
    await this.ctx.storage.put("log", log);
    if (retryCount < 2) throw new Error("not yet");
    for (const socket of this.ctx.getWebSockets()) socket.send("done");
  }
}

export default {
  fetch: (request, env) => env.JOBS.get(env.JOBS.idFromName("job")).fetch(request),
};
