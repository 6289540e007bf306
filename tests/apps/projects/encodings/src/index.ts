// Bodies are plain in here, whatever their Content-Encoding says; who asks by HTTP finds what it says.
import { DurableObject } from "cloudflare:workers";

interface Env {
  ROOMS: DurableObjectNamespace<Room>;
}

const TEXT = "plain ".repeat(20);

async function answer(request: Request): Promise<Response> {
  const { pathname, host } = new URL(request.url);
  const [, what, ...rest] = pathname.split("/");
  const upstream = `http://${host}/${rest.join("/")}`;
  switch (what) {
    case "gzip":
    case "br":
      return new Response(TEXT, { headers: { "content-encoding": what } });
    case "manual": {
      const packed = new Response(TEXT).body!.pipeThrough(new CompressionStream("gzip"));
      return new Response(await new Response(packed).arrayBuffer(), { headers: { "content-encoding": "gzip" }, encodeBody: "manual" });
    }
    case "stream": {
      const { readable, writable } = new TransformStream<Uint8Array>();
      const writer = writable.getWriter();
      void (async () => {
        for (let i = 0; i < 3; i++) await writer.write(new TextEncoder().encode(`part ${i} `));
        await writer.close();
      })();
      return new Response(readable, { headers: { "content-encoding": "gzip" } });
    }
    case "identity":
      return new Response(TEXT, { headers: { "content-encoding": "identity" } });
    case "empty":
      return new Response(null, { headers: { "content-encoding": "gzip" } });
    case "pass":
      return fetch(upstream);
    case "copy": {
      const response = await fetch(upstream);
      const copy = new Response(response.body, response);
      copy.headers.set("x-copy", "yes");
      return copy;
    }
    case "clone":
      return (await fetch(upstream)).clone();
    case "forward":
      return fetch(new Request(upstream, request));
    case "read": {
      const response = await fetch(upstream);
      const text = await response.text();
      return Response.json([text.length, text.slice(0, 6), response.headers.get("content-encoding"), response.ok]);
    }
  }
  return new Response("what?", { status: 404 });
}

export class Room extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    return answer(request);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/object/")) return answer(request);
    url.pathname = url.pathname.slice("/object".length);
    return env.ROOMS.getByName("one").fetch(new Request(url, request));
  },
} satisfies ExportedHandler<Env>;
