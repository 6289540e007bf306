// node office.js lobby announce "We close at ten."    node office.js lobby history    node office.js lobby disconnect bert
import {ask} from '../backend.js';

const [room, what, word] = process.argv.slice(2);
// A Durable Object is found by its name; a hub in Python would be Chat/lobby.
const hub = `Chat/${process.env.CHAT_IN === 'python' ? '' : 'name:'}${room}`;

const commands = {
  announce: () => ask(hub, 'call', {method: 'announce', args: [word]}),
  history: () => ask(hub, 'call', {method: 'history'}),
  disconnect: () => ask(hub, 'disconnect', {tag: word, code: 4001, reason: 'signed out'}),
};
console.log(JSON.stringify(await commands[what]()));
