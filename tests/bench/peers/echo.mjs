// The least that a server in Node does: says back each frame, by the package `ws`. Prints its port.
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(`${process.argv[2]}/`)('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
server.on('listening', () => console.log(server.address().port));
