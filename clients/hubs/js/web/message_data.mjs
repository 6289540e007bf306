// What can be sent: text, or bytes, which are copied, as they are the caller's to change.
export function dataOf(data) {
  if (typeof data === 'string') return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (typeof SharedArrayBuffer !== 'undefined' && data instanceof SharedArrayBuffer) {
    return new Uint8Array(data).slice();
  }
  if (typeof Blob !== 'undefined' && data instanceof Blob) {
    throw new TypeError('A Blob cannot be sent; send its arrayBuffer().');
  }
  return String(data);
}

// How a receiver gets it.
export function received(data) { return typeof data === 'string' ? data : data.slice().buffer; }
