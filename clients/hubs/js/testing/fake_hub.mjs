// A hub of a FakeStatekeeper: what is durable of it, and its events that are not done.
export class FakeHub {
  hubClass;
  hubName;
  lane;
  object = 0;        // 0: asleep
  held = false;
  rows = new Map();  // Buffer by key
  clients = new Map();
  alarmMs = 0;
  timers = new Map();  // ms by name
  failures = [];
  turns = [];
  #keeper;
  #number = 0;
  #events = [];      // not done, in order
  #paused = false;
  #kept = [];        // what is to happen when turns are durable again

  constructor(keeper, hubClass, hubName, lane) {
    this.#keeper = keeper;
    this.hubClass = hubClass;
    this.hubName = hubName;
    this.lane = lane;
  }

  get busy() { return this.#events.length > 0 || this.held; }
  get underWay() { return this.#events.length; }

  wake(largest) {
    this.#number = 0;
    const rows = this.#sorted();
    return {
      hubClass: this.hubClass, hubName: this.hubName, alarmMs: this.alarmMs, timers: [...this.timers],
      maxTimers: this.#keeper.maxTimers, complete: rows.length <= largest,
      rows: rows.slice(0, largest),
      sockets: [...this.clients.values()].filter((client) => client.admitted).map(
        ({connection, attachment, tags}) => ({connection, attachment, tags})),
    };
  }

  open({reservation = '', path = '/', query = '', headers = []} = {}) {
    const client = new FakeClient(this, this.#keeper.newConnection());
    this.clients.set(client.connection, client);
    this.#happen({open: {connection: client.connection, reservation, path, query, headers}}, {
      failed: (failure) => {
        this.clients.delete(client.connection);
        client.refuse(failure);
      },
    });
    return client;
  }

  message(connection, data) { return this.#happen({message: {connection, data}}); }

  close(connection, code, reason) {
    this.clients.delete(connection);
    return this.#happen({close: {connection, code, reason}});
  }

  // Fires the alarm. Resolves with the failure, or ''.
  alarm(attempt = 0) {
    this.alarmMs = 0;
    return this.#happen({alarm: {attempt}});
  }

  // Fires that timer. Resolves with the failure, or ''.
  timer(name, attempt = 0) {
    this.timers.delete(name);
    return this.#happen({timer: {name, attempt}});
  }

  request(payload) {
    return new Promise((resolve, reject) => {
      this.#happen({request: {payload}}, {
        replied: resolve, failed: (failure) => reject(new Error(failure)), abandoned: () => reject(
            Object.assign(new Error('The hub\'s object was lost before it had answered'), {retryable: false})),
      });
    });
  }

  // Turns are not durable any more, until `resume`.
  pause() { this.#paused = true; }

  resume() {
    this.#paused = false;
    for (const happen of this.#kept.splice(0)) happen();
    this.#keeper.notify();
  }

  replay() {
    const events = this.#events.splice(0);
    for (const {event, reactions} of events) {
      if (event.request) reactions.abandoned?.();
      else this.#happen({...event, repeated: true}, reactions);
    }
  }

  abandon() {
    for (const {reactions} of this.#events.splice(0)) reactions.abandoned?.();
  }

  apply(turn) {
    this.turns.push(turn);
    this.held = turn.hold ?? false;
    for (const effect of turn.effects) this.#write(effect);
    const at = this.#events.findIndex(({number}) => number === turn.event);
    const underWay = turn.done ? this.#events.splice(at, 1)[0] : this.#events[at];
    if (turn.done && at < 0) throw new Error(`event ${turn.event} is done that is not under way`);
    const happen = () => {
      for (const effect of turn.effects) this.#show(effect, underWay);
      if (turn.number) this.#keeper.durable(this, turn.number);
      if (!turn.done) return;
      if (turn.failure) {
        this.failures.push(turn.failure);
        underWay.reactions.failed?.(turn.failure);
      }
      underWay.reactions.done(turn.failure ?? '');
    };
    if (this.#paused) this.#kept.push(happen);
    else happen();
  }

  read({keys, start = '', end = '', prefix = '', reverse = false, limit = 0}, largest) {
    let rows;
    if (keys.length > 0) {
      rows = this.#sorted().filter(([key]) => keys.includes(key));
    } else {
      rows = this.#sorted().filter(([key]) => key >= start && (end === '' || key < end) && key.startsWith(prefix));
      if (reverse) rows.reverse();
    }
    const most = Math.min(limit || Infinity, largest);
    return {rows: rows.slice(0, most), more: rows.length > most};
  }

  #sorted() { return [...this.rows].sort(([one], [other]) => one < other ? -1 : 1); }

  #happen(event, reactions = {}) {
    return new Promise((resolve) => {
      const settle = reactions.done ?? resolve;
      const item = {event, number: 0, reactions: {...reactions, done: settle}};
      this.#events.push(item);
      const wakes = this.object === 0;
      item.number = wakes ? 1 : this.#number + 1;
      this.#keeper.event(this, {...event, number: item.number, nowMs: Date.now()});
      this.#number = item.number;
    });
  }

  // Rows change at once, as reads after the turn are to see them.
  #write({put, delete: deleted, deletePrefix, alarmMs, timer}) {
    if (put) this.rows.set(put.key, put.value ?? Buffer.alloc(0));
    if (deleted !== undefined) this.rows.delete(deleted);
    if (deletePrefix !== undefined) {
      for (const key of [...this.rows.keys()]) if (key.startsWith(deletePrefix)) this.rows.delete(key);
    }
    if (alarmMs !== undefined) this.alarmMs = alarmMs;
    if (timer?.dueMs) this.timers.set(timer.name, timer.dueMs);
    else if (timer) this.timers.delete(timer.name);
  }

  #show({send, close, attachment, tags, admit, reply, autoResponse}, underWay) {
    if (send) {
      const data = send.data ?? Buffer.alloc(0);
      this.clients.get(send.connection)?.take(send.binary ? data : data.toString('utf8'));
    }
    if (close) {
      this.clients.get(close.connection)?.closed(close.code, close.reason ?? '');
      this.clients.delete(close.connection);
    }
    if (attachment) Object.assign(this.clients.get(attachment.connection) ?? {}, {attachment: attachment.attachment});
    if (tags) Object.assign(this.clients.get(tags.connection) ?? {}, {tags: tags.tags});
    if (admit !== undefined) this.clients.get(admit)?.admit();
    if (reply !== undefined) underWay.reactions.replied?.(reply);
    if (autoResponse) Object.assign(this.clients.get(autoResponse.connection) ?? {}, {autoResponse});
  }
}

// The client's end of a socket at a hub.
class FakeClient {
  hub;
  connection;
  tags = [];
  attachment = null;
  autoResponse = null;
  admitted = false;
  frames = [];
  closing = null;   // {code, reason}: the hub has closed it
  opened;
  #settle;
  #waiting = [];

  constructor(hub, connection) {
    this.hub = hub;
    this.connection = connection;
    this.opened = new Promise((resolve, reject) => { this.#settle = {resolve, reject}; });
    this.opened.catch(() => {});
  }

  // Resolves when the event is done, with the failure or ''.
  send(data) { return this.hub.message(this.connection, data); }

  close(code = 1000, reason = '') { return this.hub.close(this.connection, code, reason); }

  // The next frame that the hub has sent, or will.
  next() {
    if (this.frames.length > 0) return Promise.resolve(this.frames.shift());
    return new Promise((resolve) => { this.#waiting.push(resolve); });
  }

  take(data) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(data);
    else this.frames.push(data);
  }

  admit() {
    this.admitted = true;
    this.#settle.resolve();
  }

  refuse(failure) { this.#settle.reject(new Error(failure)); }

  closed(code, reason) {
    this.closing = {code, reason};
    this.take({code, reason});
  }
}
