// A thread that answers frames on a unix socket (workerData: its path), as their first byte says: with the same bytes,
// not at all, with half a frame, with the end of the connection, with a length that is too large.
import {createServer} from 'node:net';
import {parentPort, workerData} from 'node:worker_threads';

const header = (length) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
};

const answers = {
  e: (socket, frame) => socket.write(Buffer.concat([header(frame.length), frame])),
  n: () => {},
  h: (socket, frame) => socket.write(header(frame.length)),
  c: (socket) => socket.destroy(),
  l: (socket) => socket.write(header(0x7fffffff)),
};

const server = createServer((socket) => {
  let received = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 4 && received.length >= 4 + received.readUInt32LE()) {
      const frame = received.subarray(4, 4 + received.readUInt32LE());
      received = received.subarray(4 + frame.length);
      answers[String.fromCharCode(frame[0] ?? 101)](socket, frame);
    }
  });
});
server.listen(workerData, () => parentPort.postMessage('listening'));
