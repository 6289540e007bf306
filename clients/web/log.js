// The conversation as rows, the latest at the end.

const LIMIT = 500;  // rows
const SPOKEN = ['echo', 'message', 'error'];  // kinds that a screen reader is told of

const $ = (id) => document.getElementById(id);

function clockOf(time) {
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

export class Log {
  #list = $('log');
  #latest = true;  // the reader is at the end, and stays there

  constructor() {
    this.#list.addEventListener('scroll', () => {
      this.#latest = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
      if (this.#latest) $('jump').hidden = true;
    });
    $('jump').addEventListener('click', () => this.#toEnd());
    $('clear').addEventListener('click', () => {
      this.#list.replaceChildren();
      this.#latest = true;
      $('jump').hidden = true;
      $('log-empty').hidden = false;
    });
    $('show-raw').addEventListener('change', (event) => this.#show('show-raw', event.target.checked));
    $('show-heartbeats').addEventListener(
      'change', (event) => this.#show('hide-heartbeats', !event.target.checked));
  }

  // Everything goes in as text; nothing that a peer sends is ever markup. An error that repeats the row before it only
  // counts there. Returns the row.
  add(kind, text, raw) {
    const last = this.#list.lastElementChild;
    if (kind === 'error' && last?.dataset.kind === kind && last.dataset.text === text) return this.#again(last);
    const row = document.createElement('li');
    row.className = 'row';
    row.dataset.kind = kind;
    row.dataset.text = text;
    const now = new Date();
    const time = this.#part('time', '', clockOf(now));
    time.dateTime = now.toISOString();
    row.append(time, this.#part('span', 'kind', kind), this.#part('span', 'text', text));
    if (raw !== undefined) row.append(this.#part('code', 'raw mono', raw));
    this.#list.append(row);
    while (this.#list.childElementCount > LIMIT) this.#list.firstElementChild.remove();
    $('log-empty').hidden = true;
    if (this.#latest) this.#toEnd();
    else $('jump').hidden = false;
    if (SPOKEN.includes(kind)) $('announcer').textContent = `${kind}: ${text}`;
    return row;
  }

  remove(row) { row.remove(); }

  #again(row) {
    const times = Number(row.dataset.times ?? 1) + 1;
    row.dataset.times = times;
    const now = new Date();
    const time = row.querySelector('time');
    time.textContent = clockOf(now);
    time.dateTime = now.toISOString();
    const count = row.querySelector('.times') ?? this.#part('span', 'times', '');
    count.textContent = `${times} times`;
    row.querySelector('.text').after(count);
    return row;
  }

  #part(tag, name, text) {
    const part = document.createElement(tag);
    part.className = name;
    part.textContent = text;
    return part;
  }

  #show(name, on) {
    this.#list.classList.toggle(name, on);
    if (this.#latest) this.#toEnd();
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    $('jump').hidden = true;
  }
}
