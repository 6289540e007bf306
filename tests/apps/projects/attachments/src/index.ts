// Attachments: what structured clone carries goes in and comes out as it was, also after a sleep.
import { DurableObject } from "cloudflare:workers";

interface Env {
  DESK: DurableObjectNamespace<Desk>;
}

type Row = { made: Date; parts: Map<string, unknown>; names: Set<string>; self?: Row };

function describe(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "undefined";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object") return JSON.stringify(value);
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (value instanceof RegExp) return `RegExp ${value}`;
  if (value instanceof Error) return `${value.name} ${value.message}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${new Uint8Array(value).join(" ")}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} ${Array.from(value as Uint8Array).join(" ")}`;
  if (value instanceof Map) return `Map {${[...value].map(([key, each]) => `${describe(key)}: ${describe(each)}`).join(", ")}}`;
  if (value instanceof Set) return `Set {${[...value].map(describe).join(", ")}}`;
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  return `{${Object.entries(value).map(([key, each]) => `${key}: ${each === value ? "itself" : describe(each)}`).join(", ")}}`;
}

export class Desk extends DurableObject<Env> {
  async fetch(): Promise<Response> {
    const pair = new WebSocketPair();
    const [client, server] = Object.values(pair);
    this.ctx.acceptWebSocket(server);
    server.send(describe(server.deserializeAttachment()));
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const [word, argument] = String(message).split(" ");
    try {
      switch (word) {
        case "read":
          break;
        case "plain":
          socket.serializeAttachment({ text: "häß 🦔", number: 1.5, minus: -0, no: null, nothing: undefined, list: [1, , 3] });
          break;
        case "rich": {
          const row: Row = { made: new Date(86_400_000), parts: new Map<string, unknown>([["a", 12n], ["b", new Map([["c", /x+/gi]])]]), names: new Set(["x", "y"]) };
          row.self = row;
          socket.serializeAttachment(row);
          break;
        }
        case "bytes":
          socket.serializeAttachment([new Uint8Array([1, 2, 255]), new Float64Array([0.5]), new Uint16Array([256]).buffer]);
          break;
        case "error":
          socket.serializeAttachment(new RangeError("far out"));
          break;
        case "function":
          socket.serializeAttachment({ f: () => 1 });
          break;
        case "copy": {
          // What is done to it afterwards is not stored.
          const value = { count: 1 };
          socket.serializeAttachment(value);
          value.count = 2;
          break;
        }
        case "change":
          // And neither what is done to what came out.
          socket.deserializeAttachment().count = 3;
          break;
        case "size":
          socket.serializeAttachment("x".repeat(Number(argument)));
          break;
      }
    } catch (error) {
      socket.send(`${word} refused: ${(error as Error).name}`);
      return;
    }
    socket.send(word === "size" ? `${socket.deserializeAttachment().length}` : describe(socket.deserializeAttachment()));
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    return env.DESK.getByName("one").fetch(request);
  },
} satisfies ExportedHandler<Env>;
