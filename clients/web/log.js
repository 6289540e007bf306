// The conversation as rows, the latest at the end.

const LIMIT = 500;  // rows
const SPOKEN = ['echo', 'message', 'error'];  // kinds that a screen reader is told of

const $ = (id) => document.getElementById(id);

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

  // Everything goes in as text; nothing that a peer sends is ever markup.
  add(kind, text, raw) {
    const row = document.createElement('li');
    row.className = 'row';
    row.dataset.kind = kind;
    const now = new Date();
    const clock = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, '0')}`;
    const time = this.#part('time', '', clock);
    time.dateTime = now.toISOString();
    row.append(time, this.#part('span', 'kind', kind), this.#part('span', 'text', text));
    if (raw !== undefined) row.append(this.#part('code', 'raw mono', raw));
    this.#list.append(row);
    while (this.#list.childElementCount > LIMIT) this.#list.firstElementChild.remove();
    $('log-empty').hidden = true;
    if (this.#latest) this.#toEnd();
    else $('jump').hidden = false;
    if (SPOKEN.includes(kind)) $('announcer').textContent = `${kind}: ${text}`;
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
