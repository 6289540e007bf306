// Streams that only Workers have.
import {createHash} from 'node:crypto';

export class IdentityTransformStream extends TransformStream {
  constructor() { super({transform: (chunk, controller) => controller.enqueue(bytesOf(chunk))}); }
}

const lengths = new WeakMap();

// Of a body, where it is known.
export function lengthOf(stream) { return lengths.get(stream); }

// As many bytes as it says, or an error.
export class FixedLengthStream extends TransformStream {
  constructor(length) {
    let left = Number(length);
    super({
      transform(chunk, controller) {
        const bytes = bytesOf(chunk);
        if (bytes.length > left) throw new TypeError('Attempt to write too many bytes through a FixedLengthStream.');
        left -= bytes.length;
        controller.enqueue(bytes);
      },
      flush() {
        if (left > 0) throw new TypeError('FixedLengthStream did not see all expected bytes before close().');
      },
    });
    lengths.set(this.readable, Number(length));
  }
}

const HASHES = {'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512', MD5: 'md5'};

// crypto.DigestStream: what is written is hashed.
export class DigestStream extends WritableStream {
  #digest;

  constructor(algorithm) {
    const name = String(algorithm?.name ?? algorithm).toUpperCase();
    if (!Object.hasOwn(HASHES, name)) throw new DOMException(`There is no digest ${name}.`, 'NotSupportedError');
    const hash = createHash(HASHES[name]);
    let settle;
    const digest = new Promise((resolve, reject) => { settle = {resolve, reject}; });
    digest.catch(() => {});
    super({
      write: (chunk) => { hash.update(typeof chunk === 'string' ? chunk : bytesOf(chunk)); },
      close: () => { settle.resolve(new Uint8Array(hash.digest()).buffer); },
      abort: (reason) => { settle.reject(reason); },
    });
    this.#digest = digest;
  }

  get digest() { return Object.assign(() => this.#digest, {then: this.#digest.then.bind(this.#digest)}); }
}

function bytesOf(chunk) {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError('This stream takes bytes.');
}
