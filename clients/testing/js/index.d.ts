/** Clusters of Dormouse for tests. Times are in milliseconds. Hubs are named CLASS/NAME, as `deploy/local ctl hubs` does. */

export interface StartOptions {
  /** Directory of a Durable Object project, or of an app that is built. Without it there are the classes echo and signal. */
  app?: string | URL;
  /** 'file' (the default): embedded; 'redis': a server of the cluster's own. */
  store?: 'file' | 'redis';
  /** Default 1, all at one port. */
  gateways?: number;
  /** Default 1; more than one takes store 'redis'. */
  statekeepers?: number;
  /** Any option of the processes: {'hibernate-after': '200ms'}. */
  settings?: Record<string, string | number | boolean | string[]>;
  /** Until it must be ready; default 90,000. */
  timeout?: number;
}

export interface Within { timeout?: number }

export interface Process {
  /** Such as 'statekeeper-1', 'gateway-1', 'redis'. */
  name: string;
  kind: 'statekeeper' | 'gateway' | 'redis';
  /** 0 while it does not run. */
  pid: number;
  restarts: number;
  /** Its port for /metrics and /readyz; 0: it has none. */
  admin: number;
}

export class Cluster {
  /** Resolves when it is ready; rejects with the end of the logs when that cannot be. */
  static start(options?: StartOptions): Promise<Cluster>;
  private constructor();

  /** 'http://127.0.0.1:PORT'. */
  readonly httpUrl: string;
  /** Where backends call hubs, without a slash at the end: 'http://127.0.0.1:PORT/api/hubs'. */
  readonly apiUrl: string;
  /** For `Authorization: Bearer`. */
  readonly apiKey: string;
  /** Its data directory; gone after stop(). */
  readonly data: string;
  /** 'ws://127.0.0.1:PORT' and the path. */
  url(path?: string): string;
  /** A WebSocket that is open. */
  connect(path: string, options?: ConnectOptions): Promise<HubSocket>;
  /** The class that connect() takes: Node's own, or that of the package ws. For an SDK's option WebSocket. */
  readonly WebSocket: any;
  /** fetch() of a path. */
  fetch(path: string, init?: RequestInit): Promise<Response>;

  /** Ends all processes and removes all files. */
  stop(): Promise<void>;

  /** The hub leaves memory now; its sockets stay open. */
  sleepNow(hub: string): Promise<void>;
  /** Waits until it is asleep, 5 s at most. */
  assertAsleep(hub: string, options?: Within): Promise<void>;
  /** Waits until it is awake, 5 s at most. To look does not wake it. */
  assertAwake(hub: string, options?: Within): Promise<void>;

  /** kill -9 of the statekeeper that has the hub. Resolves when it is served again, with the name of who does. */
  killOwner(hub: string, options?: Within): Promise<string>;
  /** kill -9 of the process with the app's code where the hub is. Resolves when there is another. */
  killWorker(hub: string, options?: Within): Promise<void>;
  /** kill -9; its sockets break. Resolves when it is ready again. */
  killGateway(gateway?: number, options?: Within): Promise<void>;
  /** SIGSTOP of the statekeeper that has the hub, until resume(). Resolves with its name. */
  pauseOwner(hub: string): Promise<string>;
  /** All that are paused go on. Resolves with their names. */
  resume(): Promise<string[]>;
  /** To another statekeeper, if there is one; sockets stay open. Resolves with the name of who has it then. */
  moveHub(hub: string, options?: Within): Promise<string>;
  /** Stops a process in order, and starts it again. */
  restart(name: string): Promise<void>;

  /** The time of day jumps ahead, everywhere at once. Resolves with how far ahead it is. */
  advanceClock(milliseconds: number): Promise<number>;

  /** What operators see of a hub, as `dormousectl --json hub`. */
  hub(hub: string): Promise<Record<string, unknown>>;
  processes(): Promise<Process[]>;
  /** The end of all logs, in the order of time. */
  logs(lines?: number): Promise<string>;
  /** `dormousectl` with these words: its JSON, or its text. */
  ctl(...words: Array<string | number>): Promise<any>;
}

export interface ConnectOptions {
  protocols?: string | string[];
  /** Until it is open; default 5,000. */
  timeout?: number;
  /** Another class than Node's own or that of ws. */
  WebSocket?: any;
  /** For the package ws. */
  headers?: Record<string, string>;
}

/** Frames as they are: strings, and Uint8Array for binary ones. */
export class HubSocket {
  static open(url: string, options?: ConnectOptions): Promise<HubSocket>;
  private constructor();

  readonly url: string;
  readonly isOpen: boolean;
  /** Messages that have come and nobody has asked for. */
  readonly waiting: number;
  /** Once it is closed, by whomever. */
  readonly closed: Promise<{code: number, reason: string}>;
  send(data: string | ArrayBuffer | Uint8Array): void;
  /** The next message, in order. Rejects after the timeout (5,000), and when the socket is closed. */
  next(timeout?: number): Promise<string | Uint8Array>;
  nextJson(timeout?: number): Promise<any>;
  close(code?: number, reason?: string): Promise<{code: number, reason: string}>;
}
