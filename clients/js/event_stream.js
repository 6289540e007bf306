// Events of an event stream (HTML, 9.2.6), as fallback connections write them, in streams and in answers to polls.

export class EventReader {
  #decoder = new TextDecoder('utf-8', {ignoreBOM: true});
  #rest = '';  // of a line whose end has not come
  #event = {number: null, kind: 'message', data: null};

  // Bytes, cut anywhere. Calls `take({number, kind, data})` for each event that is whole.
  feed(bytes, take) {
    const lines = (this.#rest + this.#decoder.decode(bytes, {stream: true})).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== '') {
        this.#field(line);
        continue;
      }
      const event = this.#event;
      this.#event = {number: null, kind: 'message', data: null};
      if (event.data !== null) take(event);
    }
  }

  #field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return;  // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') this.#event.data = this.#event.data === null ? value : `${this.#event.data}\n${value}`;
    else if (name === 'event') this.#event.kind = value;
    else if (name === 'id') this.#event.number = Number(value);
  }
}
