// The kit itself: what it leaves behind, and what it says when something is wrong.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {setTimeout as after} from 'node:timers/promises';
import {Cluster} from '@dormouse/testing';

// Processes that name the directory in their command line or work in it.
function processesOf(data) {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(data) || fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(data);
    } catch {
      return false;
    }
  });
}

async function gone(data) {
  for (let tries = 0; tries < 1500; tries++) {
    if (processesOf(data).length === 0 && !fs.existsSync(path.dirname(data))) return;
    await after(10);
  }
  assert.fail(`${data} is still there, and processes ${processesOf(data)}`);
}

test('clusters side by side do not see each other, and stop without a trace', async () => {
  const [one, other] = await Promise.all([Cluster.start(), Cluster.start({store: 'redis', statekeepers: 2})]);
  try {
    assert.notEqual(one.httpUrl, other.httpUrl);
    const socket = await one.connect('/websocket/room');
    await one.assertAwake('echo/room');
    await assert.rejects(other.hub('echo/room'), /echo\/room/);
    await one.stop();
    assert.deepEqual((await other.processes()).map(({name}) => name).sort(),
                     ['gateway-1', 'redis', 'statekeeper-1', 'statekeeper-2']);
    assert.notEqual((await socket.closed).code, 1000);
    await gone(one.data);
    await assert.rejects(one.sleepNow('echo/room'), /has been stopped/);
  } finally {
    await Promise.all([one.stop(), other.stop()]);
  }
  await gone(other.data);
});

for (const signal of ['SIGKILL', 'SIGINT']) {
  test(`a test process that is ended by ${signal} leaves nothing behind`, async () => {
    const program = `import {Cluster} from ${JSON.stringify(new URL('index.js', import.meta.url).href)};
      const {data} = await Cluster.start({app: ${JSON.stringify(new URL('../example/', import.meta.url).pathname)}});
      console.log(data); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {stdio: ['ignore', 'pipe', 'inherit']});
    const data = await new Promise((resolve) => { child.stdout.once('data', (text) => resolve(String(text).trim())); });
    assert.ok(processesOf(data).length >= 4, String(processesOf(data)));  // supervisor, gateway, statekeeper, worker
    child.kill(signal);
    await gone(data);
  });
}

test('a program that forgets its cluster ends all the same', async () => {
  const program = `import {Cluster} from ${JSON.stringify(new URL('index.js', import.meta.url).href)};
    console.log((await Cluster.start()).data);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {stdio: ['ignore', 'pipe', 'inherit']});
  let said = '';
  child.stdout.on('data', (text) => { said += text; });
  assert.equal(await new Promise((resolve) => { child.once('close', resolve); }), 0);
  await gone(said.trim());
});

test('a cluster that does not start says why, with the end of the log', async () => {
  await assert.rejects(Cluster.start({settings: {'hibernate-after': 'soon'}}),
                       ({message}) => /did not start/.test(message) && /hibernate-after/.test(message) && /soon/.test(message));
  await assert.rejects(Cluster.start({statekeepers: 2, store: 'file'}), /embedded store is for one statekeeper/);
  await assert.rejects(Cluster.start({app: '/nowhere'}), /there is no directory \/nowhere/);
  await assert.rejects(Cluster.start({stores: 'redis'}), /no option stores; it has app, store/);
});

test('a project that does not build says where', async (t) => {
  const project = fs.mkdtempSync(path.join(os.tmpdir(), 'project-'));
  t.after(() => fs.rmSync(project, {recursive: true}));
  fs.cpSync(new URL('../example/', import.meta.url), project, {recursive: true});
  fs.appendFileSync(path.join(project, 'src', 'index.js'), 'no script\n');
  await assert.rejects(Cluster.start({app: project}), /src\/index\.js:\d+/);
});

test('without programs it says how to get them', async () => {
  const before = process.env.DORMOUSE_BIN;
  process.env.DORMOUSE_BIN = '/nowhere';
  try {
    await assert.rejects(Cluster.start(), /there is no dormouse-gateway\. Build Dormouse, once: .*deploy\/build release/);
  } finally {
    if (before === undefined) delete process.env.DORMOUSE_BIN;
    else process.env.DORMOUSE_BIN = before;
  }
});

test('what is not so is said', async () => {
  const cluster = await Cluster.start();
  try {
    const socket = await cluster.connect('/websocket/room');
    await cluster.sleepNow('echo/room');
    await assert.rejects(cluster.assertAwake('echo/room', {timeout: 100}),
                         /Hub echo\/room is asleep, after 0\.1 s still; it was to be awake/);
    socket.send('{"type":"ping"}');
    await cluster.assertAwake('echo/room');
    await assert.rejects(cluster.assertAsleep('echo/room', {timeout: 100}), /is awake, after 0\.1 s still/);
    await assert.rejects(cluster.killWorker('echo/room'), /no worker/);
    await assert.rejects(cluster.killGateway(2), /There is no process gateway-2; these run: /);
    await assert.rejects(cluster.connect('/nowhere/at/all'), /Cannot connect to ws:.*nowhere/);
    await assert.rejects(cluster.advanceClock(-1), /ahead only/);
    assert.match(await cluster.logs(), /statekeeper/);
  } finally {
    await cluster.stop();
  }
});
