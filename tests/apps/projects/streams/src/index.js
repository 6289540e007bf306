// Bodies that are streams: hashed as they come, transformed on their way, sent bit by bit.
import { DurableObject } from "cloudflare:workers";

async function measure(body) {
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}

async function sha256(body) {
  const digest = new crypto.DigestStream("SHA-256");
  await body.pipeTo(digest);
  return [...new Uint8Array(await digest.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function generated(size) {
  let left = size;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (left === 0) return controller.close();
      const chunk = new Uint8Array(Math.min(left, 65_536)).fill(left % 251);
      left -= chunk.length;
      controller.enqueue(chunk);
    },
  });
}

const upperCase = () => new TransformStream({
  transform(chunk, controller) {
    controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
  },
});

export class Bucket extends DurableObject {
  log = [];

  async fetch(request) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/object/hash":
        return new Response(await sha256(request.body));
      case "/object/generate":
        return new Response(generated(Number(url.searchParams.get("size"))));
      case "/object/upper":
        return new Response(request.body.pipeThrough(upperCase()));
      case "/object/note":
        this.log.push(`note ${url.searchParams.get("it")}`);
        return new Response("noted");
      case "/object/begun":
        return Response.json(this.log.length > 0);
      case "/object/slow-body":
        // The handler runs before the body is there, and others come in while it waits for the rest.
        this.log.push("waits for the body");
        this.log.push(await request.text());
        return Response.json(this.log);
      case "/object/events": {
        // A response that goes on for as long as somebody sends events.
        const { readable, writable } = new TransformStream();
        this.writer = writable.getWriter();
        this.writer.write(new TextEncoder().encode("data: hello\n\n"));
        return new Response(readable, { headers: { "content-type": "text/event-stream" } });
      }
      case "/object/emit":
        await this.writer.write(new TextEncoder().encode(`data: ${url.searchParams.get("it")}\n\n`));
        return new Response("emitted");
      case "/object/end":
        await this.writer.close();
        return new Response("ended");
    }
    return new Response("what?", { status: 404 });
  }
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/object/")) return env.BUCKETS.getByName("bucket").fetch(request);
    switch (url.pathname) {
      case "/measure":
        return Response.json(await measure(request.body));
      case "/hash":
        return new Response(await sha256(request.body));
      case "/generate":
        return new Response(generated(Number(url.searchParams.get("size"))));
      case "/upper":
        return new Response(request.body.pipeThrough(upperCase()));
      case "/fixed": {
        const { readable, writable } = new FixedLengthStream(10);
        const writer = writable.getWriter();
        ctx.waitUntil(writer.write(new TextEncoder().encode("0123456789")).then(() => writer.close()));
        return new Response(readable);
      }
      case "/tee": {
        const [one, other] = request.body.tee();
        return new Response(`${await new Response(one).text()} and ${await new Response(other).text()}`);
      }
      case "/ignore":
        // An answer before the body has been read.
        return new Response("I did not listen", { status: 413 });
      case "/form": {
        const form = await request.formData();
        const file = form.get("file");
        return Response.json([form.get("word"), file.name, file.type, await file.text()]);
      }
      case "/json":
        return Response.json({ ...(await request.json()), used: request.bodyUsed, method: request.method });
      case "/clone": {
        const copy = request.clone();
        return Response.json([await request.text(), await copy.text()]);
      }
      case "/nothing":
        return new Response(null, { status: 204 });
    }
    return new Response("what?", { status: 404 });
  },
};
