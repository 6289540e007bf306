// What Workers' crypto has over Node's.
import {timingSafeEqual, webcrypto} from 'node:crypto';

import {DigestStream} from './streams.mjs';

export function completeCrypto() {
  const crypto = globalThis.crypto ?? webcrypto;
  Object.defineProperty(crypto, 'DigestStream', {value: DigestStream, configurable: true, writable: true});
  Object.defineProperty(crypto.subtle, 'timingSafeEqual', {
    value: (one, other) => timingSafeEqual(bytesOf(one), bytesOf(other)), configurable: true, writable: true,
  });
  return crypto;
}

function bytesOf(data) {
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
