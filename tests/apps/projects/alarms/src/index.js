// One alarm an object: set, asked for, set anew, deleted; and what the handler sees.
import { DurableObject } from "cloudflare:workers";

const HOUR = 3_600_000;

export class Clock extends DurableObject {
  async fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket, word) {
    const storage = this.ctx.storage;
    const now = Date.now();
    switch (word) {
      case "get":
        break;
      case "hour":
        await storage.setAlarm(now + HOUR);
        break;
      case "date":
        await storage.setAlarm(new Date(now + HOUR));
        break;
      case "delete":
        await storage.deleteAlarm();
        break;
      case "soon":
        await storage.setAlarm(now + 100);
        socket.send("set");
        return;
      case "asleep":
        // By then what is in memory has gone.
        this.awake = true;
        await storage.setAlarm(now + 13_000);
        socket.send("set");
        return;
      case "past":
        await storage.setAlarm(now - HOUR);
        socket.send("set");
        return;
      case "twice":
        // Only the last one counts.
        storage.setAlarm(now + 50);
        await storage.setAlarm(now + 200);
        socket.send("set");
        return;
      case "again":
        // The handler sets the next.
        await storage.put("again", 2);
        await storage.setAlarm(now + 50);
        socket.send("set");
        return;
      case "rolled back":
        await storage
          .transaction(async (txn) => {
            await txn.setAlarm(now + HOUR);
            throw new Error("no");
          })
          .catch((error) => socket.send(`caught ${error.message}`));
        break;
      case "deleteAll":
        // With this compatibility date the alarm stays.
        await storage.deleteAll();
        break;
      case "zero":
        try {
          await storage.setAlarm(0);
          await storage.deleteAlarm();
          socket.send("0 is a time");
        } catch (error) {
          socket.send(`0: ${error.name}`);
        }
        return;
      case "nonsense":
        try {
          await storage.setAlarm(new Date("nonsense"));
        } catch (error) {
          socket.send(`nonsense: ${error.name}`);
        }
        return;
    }
    const alarm = await storage.getAlarm();
    socket.send(alarm === null ? "no alarm" : `a ${typeof alarm}, in ${Math.round((alarm - now) / 60_000)} minutes`);
  }

  async alarm(info) {
    const storage = this.ctx.storage;
    const rest = (await storage.get("again")) ?? 0;
    const during = await storage.getAlarm();
    if (rest > 0) {
      await storage.put("again", rest - 1);
      await storage.setAlarm(Date.now() + 50);
    }
    const fired = ((await storage.get("fired")) ?? 0) + 1;
    await storage.put("fired", fired);
    for (const socket of this.ctx.getWebSockets()) {
      socket.send(`alarm ${fired}: isRetry ${info?.isRetry}, retryCount ${info?.retryCount}, getAlarm in it ${during}${this.awake ? ", awake since it was set" : ""}`);
    }
  }
}

export default {
  fetch(request, env) {
    return env.CLOCKS.getByName("tower").fetch(request);
  },
};
