// The page's conversation with a hub of class `echo`.
import {EchoClient} from './dormouse/index.js';
import {Waiting} from './waiting.js';
import {asText, milliseconds} from './words.js';

export class EchoTalk {
  static defaultName = 'test-room';
  static path = 'websocket/';
  static identityLabel = 'Connection id';
  #page;
  #waiting;
  #pings = [];      // when they were sent
  #heartbeat = '';  // the last acknowledgement, raw

  // `page`: sent(text, raw) and received(kind, text, raw) show rows, beat() moves the heart.
  constructor(url, page, settings) {
    this.#page = page;
    this.client = new EchoClient(url, settings);
    this.#waiting = new Waiting(page, (text) => this.client.state === 'connected' && this.client.send(text));
    this.client.on('welcome', () => this.#waiting.flush());
    this.client.on('frame', (event) => this.#frame(event));
    this.client.on('heartbeat', ({latency}) => {
      page.beat();
      page.received('heartbeat', `acknowledged after ${milliseconds(latency)}`, this.#heartbeat);
    });
    this.client.on('disconnected', () => { this.#pings = []; });
    this.client.on('error', () => {});  // in the log already, as a frame
  }

  get identity() { return this.client.connectionId; }
  get queued() { return this.#waiting.size; }

  connect() { this.client.connect(); }
  leave() { this.client.disconnect(); }
  ping() {
    this.#pings.push(performance.now());
    this.client.ping();
  }
  compose({message}) { this.#waiting.say(message); }

  #frame({sent, text: raw, frame}) {
    if (sent) {
      if (frame.type !== 'heartbeat') this.#page.sent(frame.message ?? frame.type, raw);
    } else if (frame?.type === 'heartbeat_ack') {
      this.#heartbeat = raw;
    } else {
      this.#page.received(...this.#read(frame, raw), raw);
    }
  }

  // [kind, text] of a row.
  #read(frame, raw) {
    switch (frame?.type) {
      case 'welcome': return ['welcome', String(frame.message)];
      case 'pong': return ['pong', `after ${milliseconds(performance.now() - this.#pings.shift())}`];
      case 'echo': {
        const sockets = frame.connections === 1 ? '1 connection' : `${frame.connections} connections`;
        return ['echo', `${asText(frame.message)}  (${sockets})`];
      }
      case 'error':
      case 'hub:error':
        return ['error', asText(frame.message ?? frame.payload?.message)];
      default: return ['reply', raw];
    }
  }
}
