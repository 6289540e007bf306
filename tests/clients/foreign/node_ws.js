// npm's ws against a mirror: node_ws.js URL. Prints what it has heard (see test_foreign_clients.py).
const WebSocket = require('ws');

const url = process.argv[2];
const MIB = 1 << 20;

const opened = (path) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url + path);
  socket.once('open', () => resolve(socket));
  socket.once('error', reject);
});
const closed = (socket) => new Promise((resolve) => {
  socket.once('close', (code, reason) => resolve([code, `${reason}`]));
});
const answer = (socket, data) => new Promise((resolve) => {
  socket.once('message', (said, isBinary) => resolve(isBinary ? said : `${said}`));
  socket.send(data);
});

async function main() {
  const heard = {};
  const socket = await opened('/mirror/node-ws');
  heard.text = await answer(socket, 'hello é€');
  heard.binary = [...await answer(socket, Buffer.from([0, 255, 128]))];
  heard.mebibyte = await answer(socket, 'x'.repeat(MIB)) === 'x'.repeat(MIB) &&
    (await answer(socket, Buffer.alloc(MIB, 255))).equals(Buffer.alloc(MIB, 255));
  heard.pongs = [];
  const all = new Promise((resolve) => socket.on('pong', (data) => {
    if (heard.pongs.push(Number(data)) === 20) resolve();
  }));
  for (let number = 0; number < 20; number++) socket.ping(`${number}`);
  await all;
  const over = closed(socket);
  socket.send(Buffer.alloc(MIB + 1));
  heard.tooLarge = await over;
  heard.closes = [];
  for (const code of [1000, 3000, 4999]) {
    const it = await opened('/mirror/node-ws');
    const end = closed(it);
    it.close(code, 'bye');
    heard.closes.push(await end);
  }
  const closer = await opened('/crier/node-ws');
  heard.closedByHub = [];
  for (const code of [1001, 1012, 4000]) {
    const it = await opened('/crier/node-ws');
    const end = closed(it);
    closer.send(`close ${code} enough`);
    heard.closedByHub.push(await end);
  }
  closer.close();
  console.log(JSON.stringify(heard));
}

main();
