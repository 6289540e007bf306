// Time as the client sees it: now() in ms, monotonic; setTimeout(callback, delay), clearTimeout(timer).

// Of a timer: a later one would fire at once.
const LONGEST = 2 ** 31 - 1;

export const systemClock = {
  now: () => performance.now(),
  setTimeout: (callback, delay) => setTimeout(callback, Math.min(delay, LONGEST)),
  clearTimeout: (timer) => clearTimeout(timer),
};

let shared = null;

// Browsers slow a hidden page's timers down to one a minute, too slow for heartbeats, but not those of a worker.
export function defaultClock() {
  if (typeof document === 'undefined' || typeof Worker === 'undefined') return systemClock;
  shared ??= new WorkerClock();
  return shared;
}

// In the worker: starts the timer {id, delay}, or stops {id}.
const WORKER = `
  const timers = new Map();
  onmessage = ({data: {id, delay}}) => {
    clearTimeout(timers.get(id));
    timers.delete(id);
    if (delay === undefined) return;
    timers.set(id, setTimeout(() => { timers.delete(id); postMessage(id); }, delay));
  };`;

class WorkerClock {
  #timers = new Map();  // id -> {callback, due}
  #nextId = 1;
  #worker = null;

  constructor() {
    try {
      const code = new Blob([WORKER], {type: 'text/javascript'});
      this.#worker = new Worker(URL.createObjectURL(code));
      this.#worker.onmessage = ({data}) => this.#fire(data);
      this.#worker.onerror = () => this.#withoutWorker();
    } catch {
      this.#worker = null;  // a content security policy may forbid it: the page's own timers must do
    }
  }

  now() { return performance.now(); }

  setTimeout(callback, delay) {
    const id = this.#nextId++;
    this.#timers.set(id, {callback, due: this.now() + delay});
    this.#start(id, delay);
    return id;
  }

  clearTimeout(id) {
    if (this.#timers.delete(id)) this.#worker?.postMessage({id});
  }

  #start(id, delay) {
    const wait = Math.min(delay, LONGEST);
    if (this.#worker) this.#worker.postMessage({id, delay: wait});
    else setTimeout(() => this.#fire(id), wait);
  }

  #fire(id) {
    const timer = this.#timers.get(id);
    this.#timers.delete(id);
    timer?.callback();
  }

  #withoutWorker() {
    this.#worker = null;
    for (const [id, {due}] of this.#timers) this.#start(id, Math.max(0, due - this.now()));
  }
}
