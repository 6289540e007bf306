// The whole surface of the client, with types.

/** What the client needs of a WebSocket class: the browser's own, or that of Node's package `ws`. */
export interface WebSocketClass {
  new (url: string, protocols?: string[]): {
    readonly readyState: number;
    send(text: string): void;
    close(code?: number): void;
  };
}

/** Time: `now()` in milliseconds, monotonic. For tests; the default is the system's. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, delay: number): unknown;
  clearTimeout(timer: unknown): void;
  /** In ms, of the wall clock: where it runs ahead of now(), the machine slept. Default: Date.now(). */
  wall?(): number;
}

/** "browser/anna", or in the canonical form "@(browser/anna)": both name the same actor. */
export type Address = string;

/** A WebSocket; an event stream and POSTs; long polling and POSTs. */
export type Transport = 'auto' | 'websocket' | 'sse' | 'poll';

export type State = 'disconnected' | 'connecting' | 'connected' | 'waiting';

/** Takes the handler off again. */
export type Off = () => void;

/** The figures of the heartbeats since connect(). */
export interface Heartbeats {
  readonly state: 'idle' | 'waiting' | 'alive' | 'missed';
  readonly acks: number;
  readonly missed: number;
  /** In ms; null before the first. */
  readonly latency: number | null;
  readonly average: number | null;
  /** The clock's time of the last acknowledgement. */
  readonly lastAck: number | null;
  /** In ms. */
  readonly interval: number;
}

/** What a hub refuses, and what the client refuses by itself. */
export class DormouseError extends Error {
  /**
   * The hub's (unknown_actor, unauthorized, rate_limited, message_too_large, message_expired, timeout, ...) or the
   * client's own (connection_lost, queue_full, disconnected, duplicate_connection, request_failed, no_websocket,
   * bad_frame).
   */
  readonly code: string;
  /** One line for the author of the program. */
  readonly resolution: string;
  readonly details: Record<string, unknown>;
  /** The same request may well succeed a moment later. */
  readonly retryable: boolean;
}

/** A frame of hub class `signal`. */
export interface Envelope {
  id: string | null;
  type: string;
  from: Address;
  to: Address;
  payload: any;
  pattern: 'tell' | 'ask';
  correlationId: string | null;
  timestamp: number;
  metadata: Record<string, any>;
  ttl: number | null;
  signature: string | null;
}

/** What another actor sent. */
export interface Message<T = any> {
  readonly id: string | null;
  readonly type: string;
  readonly from: Address;
  readonly to: Address;
  readonly data: T;
  readonly metadata: Record<string, any>;
  readonly timestamp: number;
  /** Of a publication. */
  readonly topic: string | undefined;
  readonly broadcast: boolean;
  /** Whether the sender awaits reply(): it called request(). */
  readonly expectsReply: boolean;
  /** Whether reply() was called. */
  readonly answered: boolean;
  readonly envelope: Envelope;
  /** Answers the sender's request(). Resolves when that is delivered. `failed`: the request rejects, data.message says why. */
  reply(data?: unknown, options?: {failed?: boolean}): Promise<Receipt>;
}

export type MessageHandler<T = any> = (message: Message<T>) => unknown;

export interface ClientOptions {
  /** Who this is. */
  actor: Address;
  /** Where the hub asks for tokens. A function is called for each connect. */
  token?: string | (() => string | Promise<string>);
  /** Sends the token with the upgrade as well, as the subprotocol "bearer.TOKEN", for gateways with auth-upgrade. */
  upgradeAuth?: boolean;
  /** Default ["send", "receive"]; register() uses them, too, where it is given none. */
  capabilities?: string[];
  /** Default "1.0". */
  protocol?: '1.0' | '0.1';
  /** Default: the runtime's own. Node before 22 has none. */
  WebSocket?: WebSocketClass;
  /**
   * How to talk to the gateway. "auto": a WebSocket, and where none gets through (not where the gateway refuses it) an
   * event stream, and where that is held up on its way, polls; what was found out is remembered, and a WebSocket tried
   * again with a later connection. Default "auto".
   */
  transport?: Transport;
  /** For event streams and polls. Default: the runtime's own. */
  fetch?: typeof fetch;
  /** Whether a lost connection is opened again; a function is asked each time. Default true. */
  reconnect?: boolean | (() => boolean);
  /** ms; default: as the hub asks. */
  heartbeatInterval?: number;
  /** ms for a request's answer, waiting to be sent included. Default 10,000. */
  requestTimeout?: number;
  /** How many frames may wait for a connection or for the end of a pause. Default 1,000. */
  queueLimit?: number;
  /** ms that a message may wait to be sent before the event `backlog` says so. Default 500. */
  backlogAfter?: number;
  /** How many received messages are remembered, so that none is handled twice. Default 500. */
  recentIds?: number;
  /** The hub's address. Default "cloudflare/signal-hub". */
  hub?: Address;
  clock?: Clock;
  /**
   * Calls `callback` when the connection may have died unnoticed, or may be possible again; returns a function that ends
   * that. Default: a page's events online, pageshow, visibilitychange and resume.
   */
  wakings?: (callback: () => void) => () => void;
  /** Default Math.random. */
  random?: () => number;
}

export interface RequestOptions {
  /** ms; default: the option requestTimeout. */
  timeout?: number;
}

/** Messages that wait to be sent. */
export interface Backlog {
  /** How many. */
  readonly waiting: number;
  /** How long the oldest of them has waited, in ms. */
  readonly delay: number;
  /** What they wait for: a connection, the end of a pause that the hub asked for, or their turn at its rate limit. */
  readonly reason: 'connection' | 'pause' | 'rate' | null;
}

/** What a call resolves with whose message was not sent, because a later one took its place (option `latest`). */
export interface Superseded {
  superseded?: true;
}

export interface LatestOption {
  /**
   * Only the latest counts, as of a cursor's place: while this message waits to be sent, a later one with the same
   * `latest` takes its place. True: the same kind of call to the same receiver, capability or topic, of the same type. A text: of
   * whatever has the same text.
   */
  latest?: boolean | string;
}

export interface MessageOptions extends RequestOptions, LatestOption {
  metadata?: Record<string, unknown>;
  /** ms: the hub refuses it (message_expired) where it has waited longer to be sent. What waits for an actor that is away stays. */
  ttl?: number;
  /** Sent again when the connection breaks before the answer, instead of rejecting with connection_lost. */
  idempotent?: boolean;
}

export interface Receipt {
  messageId: string;
  deliveredAt: number;
  /** queued: the actor's client has no connection; it gets it when it comes back within the hub's resume window. */
  status: 'delivered' | 'queued';
  delivered: boolean;
  queued?: boolean;
  timestamp: number;
}

export interface Registration {
  /** Default: the client's actor. */
  address?: Address;
  capabilities?: string[];
  metadata?: Record<string, unknown>;
  /** ms; default: the hub's. */
  ttl?: number;
}

export interface Subscription {
  readonly topic: string;
  readonly id: string;
  /** Takes this handler off; the last one ends the subscription at the hub. */
  unsubscribe(): Promise<void>;
}

export interface Query {
  /** A glob such as "browser/*"; in protocol 1.0 also a regular expression over "@(browser/anna)". */
  pattern?: string;
  capability?: string;
  capabilities?: string[];
  /** What must be equal. */
  metadata?: Record<string, unknown>;
  /** Only actors whose client has a connection now (true), or has none (false). */
  online?: boolean;
  limit?: number;
  offset?: number;
}

export interface Actor {
  address: Address;
  actorAddress: Address;
  capabilities: string[];
  metadata: Record<string, any>;
  registeredAt: number;
  /** Whether its client has a connection now. */
  online: boolean;
}

export interface ClientEvents {
  /** What another actor sent; also what a handler of its type or topic got. */
  message: Message;
  /** Usable: each time, the first included. `session`: the payload of hub:connected. */
  connected: {sessionId: string; resumed: boolean; session: Record<string, any>};
  /** The session of before, registrations and subscriptions included; comes before `connected`. */
  resumed: {sessionId: string; missed: number};
  /** The socket is gone. `final`: there will be no other; where nobody asked for that, an error says why. */
  disconnected: {code: number; reason: string; opened: boolean; final: boolean};
  /** The next attempt is in `delay` ms. */
  reconnecting: {attempt: number; delay: number; code: number; reason: string};
  /** Receivers are slow, and the hub asks to wait: all messages do, here. `targets`: whose reading is slow. */
  paused: {reason: string; targets: Address[]};
  unpaused: {};
  /**
   * Messages wait to be sent, the oldest for longer than backlogAfter: comes again whenever twice as many wait, and once
   * with `waiting` 0 when none does. Send less, or with the option `latest`.
   */
  backlog: Backlog;
  /** What no promise can say: a refused tell, a handler that failed, why there will be no other attempt. */
  error: Error;
  state: State;
  heartbeat: {latency: number};
  /** Every frame, for logs. */
  frame: {sent: boolean; text: string; envelope: Envelope | null};
}

/** A client of hub class `signal`. */
export class DormouseClient {
  constructor(url: string | URL, options: ClientOptions);

  readonly actor: Address;
  readonly url: string;
  readonly state: State;
  /** How the last connection came about; null: there was none yet. */
  readonly transport: Exclude<Transport, 'auto'> | null;
  readonly sessionId: string | null;
  /** Whether the hub has asked this client to wait. */
  readonly paused: boolean;
  /** How many frames wait to be sent. */
  readonly queued: number;
  readonly backlog: Backlog;
  /** Bare addresses that are kept registered. */
  readonly registered: Address[];
  readonly topics: string[];
  readonly heartbeats: Heartbeats;
  /** ms; null: not connected. */
  readonly openFor: number | null;

  on<Name extends keyof ClientEvents>(name: Name, handler: (event: ClientEvents[Name]) => unknown): Off;
  once<Name extends keyof ClientEvents>(name: Name, handler: (event: ClientEvents[Name]) => unknown): Off;
  off<Name extends keyof ClientEvents>(name: Name, handler: (event: ClientEvents[Name]) => unknown): void;

  /** Tries until it is connected; rejects when it is refused, or after `timeout` ms (30,000; Infinity: never). */
  connect(options?: RequestOptions): Promise<void>;
  /**
   * Gives the socket up and opens another, as after a loss: when the network has changed, say. Throws where there is none and
   * will be none: before connect(), and after the end.
   */
  reconnect(reason?: string): void;
  /** Ends the session at the hub. Never rejects; what still waits does, with `disconnected`. */
  disconnect(): Promise<void>;
  /** ms there and back. */
  ping(): Promise<number>;
  /**
   * A fresh token with the same claims; where the option was a string, the client uses it from then on. Without a token,
   * the one with which the client resumes its session is refreshed.
   */
  refreshToken(token?: string): Promise<{token: string; expiresAt: number}>;

  /** Kept until unregister() or disconnect(): renewed where the hub asks for it, made again by a fresh session. */
  register(registration?: Registration): Promise<{actorAddress: Address; renewalToken: string; expiresAt: number; version: number}>;
  unregister(address?: Address): Promise<{actorAddress: Address; unregisteredAt: number}>;
  discover(query?: Query): Promise<{actors: Actor[]; count: number; hasMore: boolean; totalMatches: number}>;
  /** All pages, one after another. */
  discoverAll(query?: Query): AsyncGenerator<Actor, void, void>;
  listActors(page?: {limit?: number; offset?: number}): Promise<{actors: Actor[]; total: number; offset: number; limit: number; hasMore: boolean}>;
  queueStats(): Promise<{queueDepth: number; processingRate: number; pauseThreshold: number; resumeThreshold: number}>;

  /**
   * A tell: nobody answers, what the hub refuses is an `error` event. True: handed to the socket; false: it waits for a
   * connection, the end of a pause or its turn at the rate limit (event `backlog`). Throws queue_full, disconnected, message_too_large.
   */
  send(to: Address, type: string, data?: unknown, options?: LatestOption & {metadata?: Record<string, unknown>; ttl?: number}):
    boolean;
  /** Resolves with the hub's receipt: it is on its way to the actor. Rejects with unknown_actor where there is none. */
  ask(to: Address, type: string, data?: unknown, options?: MessageOptions): Promise<Receipt & Superseded>;
  /**
   * Resolves with what the actor replies: its handler's result, or message.reply(). Rejects with unknown_actor at once where
   * the answer could not come, since this client has not registered its own actor.
   */
  request<T = any>(to: Address, type: string, data?: unknown, options?: {timeout?: number; metadata?: Record<string, unknown>}): Promise<T>;
  broadcast(type: string, data?: unknown, options?: MessageOptions & {excludeSelf?: boolean; capability?: string}):
    Promise<Superseded & {messageId: string; deliveredCount: number; failedCount: number; queuedCount: number; delivered: boolean; count: number}>;
  publish(topic: string, type: string, data?: unknown, options?: MessageOptions):
    Promise<Superseded & {topic: string; subscriberCount: number; delivered: boolean; queued: number; timestamp: number}>;
  /** Kept until unsubscribe() or disconnect(), across sessions. */
  subscribe(topic: string, handler?: MessageHandler): Promise<Subscription>;
  /** A topic: all of its handlers. */
  unsubscribe(subscription: Subscription | string): Promise<void>;
  /** One handler for each type. What it returns, if anything, answers a request(). */
  handle<T = any>(type: string, handler: MessageHandler<T>): Off;
  /** Until nothing waits, and a message would go at once. Rejects before connect(), and at the end. */
  drained(): Promise<void>;
}

export interface EchoEvents {
  welcome: {type: 'welcome'; message: string; connectionId: string; heartbeatInterval: number};
  echo: {type: 'echo'; message: any; timestamp: string; connections: number; connectionId: string};
  pong: {type: 'pong'; timestamp: string; connectionId: string};
  /** Anything else. */
  reply: any;
  error: Error;
  state: State;
  heartbeat: {latency: number};
  disconnected: ClientEvents['disconnected'];
  reconnecting: {delay: number; code: number; reason: string};
  frame: {sent: boolean; text: string; frame: any};
}

/** A client of hub class `echo`. */
export class EchoClient {
  constructor(url: string | URL, options?: Pick<ClientOptions, 'WebSocket' | 'transport' | 'fetch' | 'reconnect' | 'heartbeatInterval' | 'clock' | 'random' | 'wakings'>);

  readonly connectionId: string | null;
  readonly state: State;
  /** How the last connection came about; null: there was none yet. */
  readonly transport: Exclude<Transport, 'auto'> | null;
  readonly heartbeats: Heartbeats;
  readonly openFor: number | null;

  on<Name extends keyof EchoEvents>(name: Name, handler: (event: EchoEvents[Name]) => unknown): Off;
  once<Name extends keyof EchoEvents>(name: Name, handler: (event: EchoEvents[Name]) => unknown): Off;
  off<Name extends keyof EchoEvents>(name: Name, handler: (event: EchoEvents[Name]) => unknown): void;

  connect(): void;
  reconnect(reason?: string): void;
  disconnect(): void;
  /** False: there is no connection. */
  send(message: unknown): boolean;
  ping(): boolean;
}
