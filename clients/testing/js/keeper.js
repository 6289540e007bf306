// The process that keeps the cluster (../keeper): lines of JSON, both ways. When this process ends, however it does, that
// one stops the cluster.
import {spawn} from 'node:child_process';
import readline from 'node:readline';
import {fileURLToPath} from 'node:url';

const KEEPER = fileURLToPath(new URL('../keeper', import.meta.url));

export class Keeper {
  #process;
  #ended;             // a promise
  #why = '';          // it has ended
  #calls = new Map();  // number -> {resolve, reject}
  #number = 0;

  constructor() {
    this.#process = spawn('/usr/bin/python3', ['-B', KEEPER], {stdio: ['pipe', 'pipe', 'inherit']});
    this.#ended = new Promise((resolve) => {
      const end = (why) => {
        this.#why ||= why;
        for (const {reject} of this.#calls.values()) reject(new Error(this.#why));
        this.#calls.clear();
        resolve();
      };
      this.#process.once('error', (error) => end(`What keeps the cluster cannot be started: ${error.message}`));
      this.#process.once('exit', () => end('The cluster has ended.'));
    });
    this.#process.stdin.on('error', () => {});  // it has ended, which is said above
    readline.createInterface({input: this.#process.stdout}).on('line', (line) => this.#answered(JSON.parse(line)));
    this.#hold(false);
  }

  call(name, options = {}) {
    if (this.#why) return Promise.reject(new Error(this.#why));
    const id = ++this.#number;
    // Where the error is from is where it was called.
    const error = new Error();
    Error.captureStackTrace(error, this.call);
    return new Promise((resolve, reject) => {
      this.#calls.set(id, {resolve, reject: ({message}) => {
        error.message = message;
        error.stack = error.stack.replace(/^Error\n/, `Error: ${message}\n`);
        reject(error);
      }});
      this.#hold(true);
      this.#process.stdin.write(JSON.stringify({id, call: name, with: options}) + '\n');
    });
  }

  // Resolves when the cluster is stopped, and its files are gone.
  async end() {
    this.#hold(true);
    this.#process.stdin.end();
    await this.#ended;
    this.#why = 'The cluster has been stopped.';
  }

  #answered({id, value, error}) {
    const call = this.#calls.get(id);
    if (!this.#calls.delete(id)) return;
    if (this.#calls.size === 0) this.#hold(false);
    if (error === undefined) call.resolve(value ?? undefined);
    else call.reject({message: error});
  }

  // A cluster that nobody waits for does not keep a program from its end.
  #hold(on) {
    for (const each of [this.#process, this.#process.stdin, this.#process.stdout]) on ? each.ref?.() : each.unref?.();
  }
}
