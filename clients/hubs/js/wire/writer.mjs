// Protobuf as it is written: into one buffer that grows, front to back. Lengths of messages are not known before their
// ends; they get 4 bytes, which protobuf allows (a varint may have leading zeros at its end), instead of a second pass.
const SHORT = 48;  // bytes of text up to which a loop here is quicker than a call into Node

export class Writer {
  at = 0;
  buffer;

  constructor(size = 64 * 1024) { this.buffer = Buffer.allocUnsafeSlow(size); }

  ensure(bytes) {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
  }

  // Field number and wire type in one byte: fields up to 15.
  byte(value) {
    this.ensure(1);
    this.buffer[this.at++] = value;
  }

  varint(value) {
    this.ensure(10);
    if (value < 0) return this.#negative(value);
    while (value > 0x7fffffff) {
      this.buffer[this.at++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value > 127) {
      this.buffer[this.at++] = (value & 127) | 0x80;
      value >>>= 7;
    }
    this.buffer[this.at++] = value;
  }

  fixed64(low, high) {
    this.ensure(8);
    const {buffer} = this;
    let {at} = this;
    buffer[at++] = low;
    buffer[at++] = low >>> 8;
    buffer[at++] = low >>> 16;
    buffer[at++] = low >>> 24;
    buffer[at++] = high;
    buffer[at++] = high >>> 8;
    buffer[at++] = high >>> 16;
    buffer[at++] = high >>> 24;
    this.at = at;
  }

  // Returns what `close` is to be called with.
  open(tag) {
    this.ensure(5);
    this.buffer[this.at] = tag;
    this.at += 5;
    return this.at;
  }

  close(start) {
    const length = this.at - start;
    const {buffer} = this;
    buffer[start - 4] = (length & 127) | 0x80;
    buffer[start - 3] = ((length >>> 7) & 127) | 0x80;
    buffer[start - 2] = ((length >>> 14) & 127) | 0x80;
    buffer[start - 1] = length >>> 21;
  }

  text(tag, value) {
    const {length} = value;
    if (length <= SHORT && this.#ascii(tag, value, length)) return;
    const start = this.open(tag);
    this.ensure(length * 3);
    this.at += this.buffer.utf8Write(value, this.at);
    this.close(start);
  }

  // A string with a character for each byte.
  binaryText(tag, value) {
    const {length} = value;
    this.byte(tag);
    this.varint(length);
    this.ensure(length);
    this.at += this.buffer.latin1Write(value, this.at);
  }

  bytes(tag, value) {
    this.byte(tag);
    this.varint(value.length);
    this.ensure(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  #ascii(tag, value, length) {
    this.ensure(length + 2);
    const {buffer} = this;
    let at = this.at + 2;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      buffer[at++] = code;
    }
    buffer[this.at] = tag;
    buffer[this.at + 1] = length;
    this.at = at;
    return true;
  }

  #negative(value) {
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.buffer[this.at++] = Number(rest & 127n) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.at++] = Number(rest);
  }
}
