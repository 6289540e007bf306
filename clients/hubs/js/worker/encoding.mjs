// Bodies are plain in a Worker, whatever their Content-Encoding says: fetch has decoded them. Who gets one over HTTP is
// to find what the header says; only with `encodeBody: "manual"` the Worker has seen to that itself.
import {Duplex} from 'node:stream';
import zlib from 'node:zlib';

import {isEncoded} from '../web/response.mjs';

// What comes in is passed on at once: it may be a stream of events.
const ENCODERS = {
  gzip: () => zlib.createGzip({flush: zlib.constants.Z_SYNC_FLUSH}),
  deflate: () => zlib.createDeflate({flush: zlib.constants.Z_SYNC_FLUSH}),
  br: () => zlib.createBrotliCompress({flush: zlib.constants.BROTLI_OPERATION_FLUSH,
    params: {[zlib.constants.BROTLI_PARAM_QUALITY]: 4}}),
};

// The body that is to be sent; null: as it is.
export function encodedBody(response) {
  const {body, headers} = response;
  const make = ENCODERS[headers.get('content-encoding')?.trim().toLowerCase()];
  if (!make || !body || isEncoded(response)) return null;
  return body.pipeThrough(Duplex.toWeb(make()));
}
