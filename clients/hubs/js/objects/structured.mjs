// Values as bytes, by structured clone. What cannot be cloned is refused as browsers and Workers do.
import {Deserializer, Serializer} from 'node:v8';

const REFUSED = 'could not be cloned';
const VIEWS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
  Float64Array, DataView, BigInt64Array, BigUint64Array,
];

// Of a view of a buffer only its own part is written, and becomes a buffer of its own: a Buffer of Node may be a small
// part of a large one that has somebody else's bytes.
class ValueSerializer extends Serializer {
  constructor() {
    super();
    this._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _writeHostObject(view) {
    const kind = VIEWS.findIndex((View) => view instanceof View);
    if (kind < 0) throw new Error(`${Object.prototype.toString.call(view)} ${REFUSED}.`);
    this.writeUint32(kind);
    this.writeUint32(view.byteLength);
    this.writeRawBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  }
}

class ValueDeserializer extends Deserializer {
  _readHostObject() {
    const View = VIEWS[this.readUint32()];
    const bytes = new Uint8Array(this.readRawBytes(this.readUint32()));
    return View === Uint8Array ? bytes : new View(bytes.buffer);
  }
}

// `what`: how the value is called where it is refused.
export function toBytes(value, what) {
  try {
    const serializer = new ValueSerializer();
    serializer.writeHeader();
    serializer.writeValue(value);
    return serializer.releaseBuffer();
  } catch (error) {
    if (!error?.message?.includes(REFUSED)) throw error;
    throw new DOMException(`${error.message} (${what}: functions, and what holds on to something outside, cannot be ` +
                           'copied)', 'DataCloneError');
  }
}

export function fromBytes(bytes) {
  const deserializer = new ValueDeserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}
