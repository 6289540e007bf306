// A facet of an object: an object with code, a gate and a storage of its own, which lives with the one that it belongs to
// and is reached by that alone. Its rows are the hub's, behind a prefix, so that it goes wherever the hub goes; what it
// writes goes with the hub's turns.
//
// It begins when it is first called. When it breaks or is ended, it is one that nobody reaches any more: the next one who
// asks for its name gets another.
import {DurableObjectId} from '../namespaces/ids.mjs';
import {EventRecord, Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {FacetClass} from './facet_class.mjs';
import {after, NOTE, PAGES} from './keys.mjs';
import {Life} from './life.mjs';
import {Rows} from './rows.mjs';
import {StoredObject} from './stored_object.mjs';

const NO_SOCKETS = 'A facet keeps no WebSockets that outlive it: let the object that it belongs to accept them.';
const NAME = NOTE + 'facet';  // for those who look at rows

export class FacetObject extends StoredObject {
  host;
  root;
  prefix;
  depth;
  Class = null;
  props = {};
  id;
  sockets = new Map();
  eventTimeout = null;
  autoResponse = null;
  broken = null;  // {error}: why nobody reaches it any more
  #name;
  #options;
  #known = false;
  #ended;

  // `parent`: the object. `options`: a promise of what its getStartupOptions() returns. `ended()` is called once.
  constructor(parent, {name, prefix, options, ended}) {
    super();
    this.host = parent.host;
    this.root = parent.root;
    this.prefix = prefix;
    this.depth = parent.depth + 1;
    this.id = parent.id;
    this.#name = name;
    this.#options = options;
    this.#ended = ended;
    this.life = new Life(this);
  }

  get hubClass() { return this.root.hubClass; }
  get hubName() { return this.root.hubName; }
  get lane() { return this.root.lane; }
  get dropped() { return this.broken !== null; }
  get className() { return this.Class?.name || 'The class'; }
  get title() { return `${this.root.title}, facet ${this.#name}`; }
  get hasAlarms() { return false; }
  get maxTimers() { return 0; }

  // Resolves with what a method returns, or a Response. `asked`: {method, args} or {request}.
  call(asked) {
    if (this.broken) return Promise.reject(this.broken.error);
    return new Promise((resolve, reject) => {
      const record = new EventRecord();
      record.kind = Kind.CALL;
      record.nowMs = Date.now();
      record.body = {...asked, resolve, reject};
      this.hold();
      this.enqueue(record);
    });
  }

  endEvent(record) {
    this.release();
    const {resolve, reject} = record.body;
    if (record.error) reject(record.error.thrown);
    else resolve(record.result);
  }

  // What is under way fails.
  end(error) { this.life.abort(error); }

  // It has broken, or was ended.
  replaceLife(error) {
    if (this.broken) return;
    this.broken = {error};
    while (this.hasWaiting) {
      const record = this.takeWaiting();
      record.error = {thrown: error};
      this.endEvent(record);
    }
    this.closeSql();
    this.root.facetEnded(this);
    this.#ended();
  }

  // ---- what has to be there before its code runs

  get notesKnown() { return this.#known; }

  async learnNotes() {
    const options = await this.#options;
    const {Class, props} = FacetClass.of(options?.class);
    this.Class = Class;
    this.props = props;
    if (options.id instanceof DurableObjectId || typeof options.id === 'string') this.id = options.id;
    const {rows, more} = await this.root.readRange({start: this.prefix, end: after(this.prefix)});
    this.rows = new Rows(rows.map((row) => this.#own(row)), !more);
    this.#known = true;
  }

  // ---- what it does, as the hub's

  say(kind, first, second) { this.root.effect(kind, this.prefix + first, second); }

  wrote() { this.root.wrote(); }

  write(kind, first, second, options) {
    if (this.broken) return;
    if (kind === Effect.PUT && this.rows.get(NAME) === null && first !== NAME) {
      super.write(Effect.PUT, NAME, Buffer.from(this.#name, 'utf8'), options);
    }
    super.write(kind, first, second, options);
  }

  usesSql() { this.root.facetUsesSql(this); }

  get hasTables() { return this.usedSql || this.rows.get(PAGES) !== null; }

  collectPages(effects, turn) {
    const own = [];
    super.collectPages(own, turn);
    for (let at = 0; at < own.length; at += 4) effects.push(own[at], this.prefix + own[at + 1], own[at + 2], undefined);
  }

  durable() { return this.root.durable(); }
  hold() { this.root.hold(); }
  release() { this.root.release(); }

  async readRange(read) { return this.#ownOf(await this.root.readRange(this.#ofRoot(read))); }

  readNow(read) { return this.#ownOf(this.root.readNow(this.#ofRoot(read))); }

  // ---- what it has not

  get accepted() { throw new Error(NO_SOCKETS); }
  * hibernatable() {}
  setAutoResponse() { throw new Error(NO_SOCKETS); }
  setEventTimeout() { throw new Error(NO_SOCKETS); }

  #ofRoot({keys, start, end, ...rest}) {
    if (keys) return {keys: keys.map((key) => this.prefix + key), ...rest};
    return {start: this.prefix + start, end: end === '' ? after(this.prefix) : this.prefix + end, ...rest};
  }

  #ownOf({rows, more}) { return {rows: rows.map((row) => this.#own(row)), more}; }

  #own({key, value}) { return {key: key.slice(this.prefix.length), value}; }
}
