// A WebSocket as in browsers, against a mirror: node_standard.js URL NAME [MODULE], where MODULE exports WebSocket;
// without, it is Node's own. Prints what it has heard (see test_foreign_clients.py). Such sockets do not ping.
const [, , url, name, module_] = process.argv;
const { WebSocket } = module_ ? require(module_) : globalThis;

const MIB = 1 << 20;

const opened = (path) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url + path);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => resolve(socket);
  socket.onerror = (event) => {
    console.error(event.error);
    reject(event.error);
  };
});
const closed = (socket) => new Promise((resolve) => {
  socket.onclose = ({ code, reason }) => resolve([code, reason]);
});
const answer = (socket, data) => new Promise((resolve) => {
  socket.onmessage = ({ data: said }) => resolve(said);
  socket.send(data);
});

async function main() {
  const heard = {};
  const socket = await opened(`/mirror/${name}`);
  heard.text = await answer(socket, 'hello é€');
  heard.binary = [...new Uint8Array(await answer(socket, new Uint8Array([0, 255, 128])))];
  heard.mebibyte = await answer(socket, 'x'.repeat(MIB)) === 'x'.repeat(MIB) &&
    Buffer.from(await answer(socket, new Uint8Array(MIB).fill(255))).equals(Buffer.alloc(MIB, 255));
  const over = closed(socket);
  socket.send(new Uint8Array(MIB + 1));
  heard.tooLarge = await over;
  heard.closes = [];
  for (const code of [1000, 3000, 4999]) {
    const it = await opened(`/mirror/${name}`);
    const end = closed(it);
    it.close(code, 'bye');
    heard.closes.push(await end);
  }
  const closer = await opened(`/crier/${name}`);
  heard.closedByHub = [];
  for (const code of [1001, 1012, 4000]) {
    const it = await opened(`/crier/${name}`);
    const end = closed(it);
    closer.send(`close ${code} enough`);
    heard.closedByHub.push(await end);
  }
  closer.close();
  console.log(JSON.stringify(heard));
}

main();
