// index.d.ts and the code name the same members.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import * as library from './index.js';
import {Heartbeats} from './heartbeats.js';
import {Message} from './message.js';

const types = readFileSync(new URL('index.d.ts', import.meta.url), 'utf8');

// The members that a class or interface of index.d.ts declares.
function declared(name) {
  const [, body] = new RegExp(`export (?:class|interface) ${name}\\b[^{]*\\{\\n(.*?)\\n\\}`, 's').exec(types);
  const members = body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(<:]/gm);
  return [...new Set([...members].map(([, member]) => member))].filter((member) => member !== 'constructor').sort();
}

// Those that a class has, in its prototype or in each object.
function existing(Class, object) {
  return [...Object.getOwnPropertyNames(Class.prototype), ...Object.keys(object)]
    .filter((member) => member !== 'constructor').sort();
}

const options = {actor: 'browser/anna', WebSocket: class {}};

for (const [Class, object] of [
  [library.DormouseClient, new library.DormouseClient('ws://x', options)],
  [library.EchoClient, new library.EchoClient('ws://x', options)],
  [Message, new Message({}, null)],
]) test(`${Class.name} is declared as it is`, () => assert.deepEqual(existing(Class, object), declared(Class.name)));

test('what is declared of heartbeats and errors is there', () => {
  const beats = new Heartbeats({clock: null, send: null, lost: null});
  for (const member of declared('Heartbeats')) assert.ok(member in beats, member);
  const error = new library.DormouseError('timeout', 'late');
  for (const member of declared('DormouseError')) assert.ok(member in error, member);
});

test('index.js exports the declared classes', () => {
  const classes = [...types.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(library).sort(), classes.sort());
});
