// Cuts a stream of bytes into frames: a length of 4 bytes, little-endian, and that many bytes.
export const FRAME_HEAD = 4;
export const MAX_FRAME = 64 * 1024 * 1024;

export class Frames {
  #frame;
  #rest = null;  // of a frame that has not come whole
  #filled = 0;

  // `frame(buffer, start, end)`: what it points to is used again when it returns.
  constructor(frame) { this.#frame = frame; }

  take(chunk) {
    let at = 0;
    if (this.#rest) at = this.#complete(chunk);
    while (chunk.length - at >= FRAME_HEAD) {
      const length = lengthAt(chunk, at);
      const end = at + FRAME_HEAD + length;
      if (end > chunk.length) break;
      this.#frame(chunk, at + FRAME_HEAD, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk, at);
  }

  #keep(chunk, at) {
    const have = chunk.length - at;
    const need = have < FRAME_HEAD ? FRAME_HEAD : FRAME_HEAD + lengthAt(chunk, at);
    this.#rest = Buffer.allocUnsafeSlow(need);
    chunk.copy(this.#rest, 0, at);
    this.#filled = have;
  }

  // Returns where in the chunk the next frame begins.
  #complete(chunk) {
    let at = 0;
    for (;;) {
      const taken = Math.min(this.#rest.length - this.#filled, chunk.length - at);
      chunk.copy(this.#rest, this.#filled, at, at + taken);
      at += taken;
      this.#filled += taken;
      if (this.#filled < this.#rest.length) return at;
      const whole = FRAME_HEAD + lengthAt(this.#rest, 0);
      if (this.#rest.length === whole) break;
      const grown = Buffer.allocUnsafeSlow(whole);  // only the head was here
      this.#rest.copy(grown, 0, 0, this.#filled);
      this.#rest = grown;
    }
    const frame = this.#rest;
    this.#rest = null;
    this.#frame(frame, FRAME_HEAD, frame.length);
    return at;
  }
}

function lengthAt(buffer, at) {
  const length = buffer.readUInt32LE(at);
  if (length > MAX_FRAME) throw new Error(`a frame of ${length} bytes; at most ${MAX_FRAME} are allowed`);
  return length;
}
