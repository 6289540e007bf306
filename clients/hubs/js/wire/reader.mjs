// Protobuf as it is read: a place in a buffer. What it returns does not point into the buffer, which is used again.
export class Reader {
  buffer;
  at;
  end;

  constructor(buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  varint() {
    const {buffer} = this;
    let byte = buffer[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = buffer[this.at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    return value;
  }

  // Where the message, text or bytes that come next end.
  limit() {
    const length = this.varint();
    if (length > this.end - this.at) throw new Error('a message ends before its fields do');
    return this.at + length;
  }

  text() {
    const end = this.limit();
    const value = this.buffer.utf8Slice(this.at, end);
    this.at = end;
    return value;
  }

  // A string with a character for each byte: as a key of a map, cheaper than bytes.
  binaryText() {
    const end = this.limit();
    const value = this.buffer.latin1Slice(this.at, end);
    this.at = end;
    return value;
  }

  bytes() {
    const end = this.limit();
    const value = Buffer.from(this.buffer.subarray(this.at, end));
    this.at = end;
    return value;
  }

  arrayBuffer() {
    const end = this.limit();
    const value = new Uint8Array(end - this.at);
    value.set(this.buffer.subarray(this.at, end));
    this.at = end;
    return value.buffer;
  }

  word() {
    const {buffer, at} = this;
    this.at = at + 4;
    return (buffer[at] | (buffer[at + 1] << 8) | (buffer[at + 2] << 16) | (buffer[at + 3] << 24)) >>> 0;
  }

  // Calls `field(number)` for each field until `end`; one that it answers with false is passed over.
  fields(end, field) {
    while (this.at < end) {
      const tag = this.varint();
      if (field(tag >>> 3) === false) this.skip(tag & 7);
    }
  }

  skip(type) {
    if (type === 0) this.varint();
    else if (type === 1) this.at += 8;
    else if (type === 2) this.at = this.limit();
    else if (type === 5) this.at += 4;
    else throw new Error(`a field of the unknown type ${type}`);
  }
}

// Objects are named by 64 bits: a number where it can be one, as it always is in practice.
export function objectKey(low, high) {
  return high < 0x200000 ? high * 0x100000000 + low : `${high}:${low}`;
}
