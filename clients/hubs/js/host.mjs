// The process that runs hub classes written in JavaScript: a project of Durable Objects, as it was built into the
// working directory (workers.json, and the bundle that it names). Which statekeeper it works for is in the environment;
// see proto/worker.proto.
import fs from 'node:fs';
import * as modules from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

import {useHomes} from './far/homes.mjs';
import {CRONS, HOMES, SOCKETS} from './internal/classes.mjs';
import {SocketKeeper} from './internal/kept_sockets.mjs';
import {DurableObjectNamespace} from './namespaces/namespace.mjs';
import {setCompatibility} from './namespaces/remote_errors.mjs';
import {HubHost} from './objects/hub_host.mjs';
import {redirectConsole} from './web/console.mjs';
import {installGlobals} from './web/globals.mjs';
import {useTestClock} from './web/moved_clock.mjs';
import {Assets} from './worker/assets.mjs';
import {Crons} from './worker/crons.mjs';
import {Entry, makeEnv} from './worker/entry.mjs';
import {serve} from './worker/http_server.mjs';
import {closeInspector, openInspector} from './worker/inspector.mjs';

const DRAIN_WITHIN = 10_000;  // ms that HTTP requests get to end in, after SIGTERM

const stderr = console.error;

function setting(name) {
  const value = process.env[name];
  if (!value) {
    stderr(`dormouse: ${name} is not set: this program is started by a statekeeper.`);
    process.exit(2);
  }
  return value;
}

async function main() {
  const sockets = setting('DORMOUSE_WORKER_SOCKETS');
  const lanes = Number(setting('DORMOUSE_WORKER_LANES'));
  const directory = process.cwd();
  const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'workers.json'), 'utf8'));

  if (manifest.inspect) openInspector(manifest.inspect);
  installGlobals();
  if (process.env.DORMOUSE_TEST_CLOCK) useTestClock(process.env.DORMOUSE_TEST_CLOCK);
  const host = new HubHost();
  host.compatibilityDate = manifest.compatibility_date ?? '';
  setCompatibility(host.compatibilityDate, manifest.compatibility_flags ?? []);
  globalThis[Symbol.for('dormouse.host')] = host;
  let entry = null;
  const assets = manifest.assets ? new Assets(manifest.assets, host.compatibilityDate) : null;
  const handle = (request) => assets?.before(request) ?? entry.fetch(request);
  host.env = makeEnv(manifest, {
    call: (...args) => host.call(...args), assets,
    callSelf: (entrypoint, method, argument) => {
      if (method !== 'fetch') return entry.callMethod(entrypoint, method, argument);
      return entrypoint === 'default' ? handle(argument) : entry.fetch(argument, entrypoint);
    },
  });
  const bundlePath = path.join(directory, manifest.bundle ?? 'worker.mjs');
  provideModules(bundlePath);
  const bundle = await import(pathToFileURL(bundlePath).href);
  host.use(bundle, manifest.classes ?? []);
  entry = new Entry(bundle, host.env, (context, error) => host.report(context, error), host.left);

  redirectConsole((log) => host.log(log));
  process.on('unhandledRejection', (error) => host.report(null, error));
  process.on('uncaughtException', (error) => host.report(null, error));

  const report = (context, error) => host.report(context, error);
  const internal = (name) => host.classes.has(name) ?
    new DurableObjectNamespace(name, (...args) => host.call(...args)) : null;
  useHomes(internal(HOMES), (...args) => host.call(...args));
  const keeper = internal(SOCKETS) && new SocketKeeper(internal(SOCKETS));
  const server = process.env.DORMOUSE_WORKER_HTTP ?
    await serve(process.env.DORMOUSE_WORKER_HTTP, {handle, keeper, report, replaced: closeInspector}) : null;
  // Last: who accepts this connection relies on all the rest.
  let ending = false;
  let served = null;
  const endHttp = () => served ??= Promise.all([crons.stop(), server && new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
  })]).then(() => host.left.settled());
  host.connect({sockets, lanes, version: manifest.version ?? '', endHttp, ended: (error) => {
    if (error && !ending) stderr(`dormouse: the connection to the statekeeper has ended: ${error.message}.`);
    process.exit(error && !ending ? 1 : 0);
  }});
  const crons = new Crons(manifest.crons ?? [], {entry, claims: internal(CRONS)?.getByName('crons') ?? null, report});
  crons.start();

  process.on('SIGTERM', async () => {
    ending = true;
    setTimeout(() => process.exit(0), DRAIN_WITHIN);
    host.leave();
    await Promise.all([endHttp(), new Promise((resolve) => { setImmediate(resolve); })]);
    host.flush();
    process.exit(0);
  });
}

// For bundles that leave these modules out. Those that contain them do not need it, and it costs a thread.
function provideModules(bundlePath) {
  if (!/["']cloudflare:workers["']/.test(fs.readFileSync(bundlePath, 'utf8'))) return;
  if (!modules.register) {
    stderr('dormouse: the bundle imports "cloudflare:workers", which takes Node 18.19; let the build alias it.');
    process.exit(2);
  }
  modules.register(new URL('./worker/module_hooks.mjs', import.meta.url));
}

main().catch((error) => {
  stderr(error);
  process.exit(1);
});
