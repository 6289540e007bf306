// One cluster, and what a test does to it. Where its processes are is the keeper's business.
import {anyWebSocket, HubSocket} from './hub_socket.js';
import {Keeper} from './keeper.js';

const OPTIONS = ['app', 'store', 'gateways', 'statekeepers', 'settings', 'timeout'];

export class Cluster {
  #keeper;
  #started;
  #stopping = null;  // a promise

  static async start(options = {}) {
    const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
    if (unknown) throw new TypeError(`Cluster.start() has no option ${unknown}; it has ${OPTIONS.join(', ')}.`);
    const {timeout, ...rest} = options;
    if (rest.app instanceof URL) rest.app = decodeURIComponent(rest.app.pathname);
    const cluster = new Cluster();
    cluster.#keeper = new Keeper();
    try {
      cluster.#started = await cluster.#keeper.call('start', {...rest, ...seconds(timeout)});
    } catch (error) {
      await cluster.#keeper.end();
      throw error;
    }
    return cluster;
  }

  get httpUrl() { return `http://127.0.0.1:${this.#started.port}`; }
  get apiUrl() { return this.#started.api; }
  get apiKey() { return this.#started.api_key; }
  get data() { return this.#started.data; }
  url(path = '/') { return `ws://127.0.0.1:${this.#started.port}${path}`; }

  connect(path, options) { return HubSocket.open(this.url(path), options); }

  get WebSocket() { return anyWebSocket(); }

  fetch(path, init) { return fetch(this.httpUrl + path, init); }

  stop() {
    this.#stopping ??= this.#keeper.end();
    return this.#stopping;
  }

  sleepNow(hub) { return this.#keeper.call('sleep_now', {hub}); }
  assertAsleep(hub, {timeout} = {}) { return this.#keeper.call('await_life', {hub, awake: false, ...seconds(timeout)}); }
  assertAwake(hub, {timeout} = {}) { return this.#keeper.call('await_life', {hub, awake: true, ...seconds(timeout)}); }

  killOwner(hub, {timeout} = {}) { return this.#keeper.call('kill_owner', {hub, ...seconds(timeout)}); }
  killWorker(hub, {timeout} = {}) { return this.#keeper.call('kill_worker', {hub, ...seconds(timeout)}); }
  killGateway(gateway = 1, {timeout} = {}) { return this.#keeper.call('kill_gateway', {gateway, ...seconds(timeout)}); }
  pauseOwner(hub) { return this.#keeper.call('pause_owner', {hub}); }
  resume() { return this.#keeper.call('resume'); }
  moveHub(hub, {timeout} = {}) { return this.#keeper.call('move_hub', {hub, ...seconds(timeout)}); }
  restart(name) { return this.#keeper.call('restart', {name}); }

  advanceClock(milliseconds) { return this.#keeper.call('advance_clock', {milliseconds}); }

  hub(hub) { return this.#keeper.call('hub', {hub}); }
  processes() { return this.#keeper.call('processes'); }
  logs(lines = 200) { return this.#keeper.call('logs', {lines}); }
  ctl(...words) { return this.#keeper.call('ctl', {words: words.map(String)}); }
}

function seconds(timeout) { return timeout === undefined ? {} : {timeout: timeout / 1000}; }
