// A cron expression of five fields, in UTC: minute, hour, day of the month, month, day of the week. As Cloudflare has
// them, days of the week are 1 (Sunday) to 7, or names; "L" and "W" are not known.
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS = [
  {name: 'minute', from: 0, to: 59},
  {name: 'hour', from: 0, to: 23},
  {name: 'day of the month', from: 1, to: 31},
  {name: 'month', from: 1, to: 12, words: MONTHS},
  {name: 'day of the week', from: 1, to: 7, words: DAYS},
];

export class Cron {
  expression;
  #fields;

  constructor(expression) {
    this.expression = expression;
    const parts = expression.trim().split(/\s+/);
    if (parts.length !== FIELDS.length) throw new Error(`"${expression}" is no cron expression: it has five fields.`);
    this.#fields = parts.map((part, at) => valuesOf(part.toLowerCase(), FIELDS[at], expression));
  }

  matches(time) {
    const [minutes, hours, days, months, weekdays] = this.#fields;
    if (!minutes.has(time.getUTCMinutes()) || !hours.has(time.getUTCHours()) ||
        !months.has(time.getUTCMonth() + 1)) {
      return false;
    }
    const day = days.has(time.getUTCDate());
    const weekday = weekdays.has(time.getUTCDay() + 1);
    // Where both are given, either will do.
    return days.any || weekdays.any ? day && weekday : day || weekday;
  }
}

function valuesOf(part, field, expression) {
  const values = new Set();
  values.any = part === '*';
  for (const piece of part.split(',')) {
    const [range, step = '1'] = piece.split('/');
    const [first, last] = range === '*' ? [field.from, field.to] : range.split('-').map((word) => valueOf(word, field));
    const end = last ?? (piece.includes('/') ? field.to : first);
    if (!(first >= field.from && end <= field.to && first <= end && Number(step) > 0)) {
      throw new Error(`"${expression}" is no cron expression: "${piece}" is no ${field.name}.`);
    }
    for (let value = first; value <= end; value += Number(step)) values.add(value);
  }
  return values;
}

function valueOf(word, field) {
  const named = field.words?.indexOf(word) ?? -1;
  return named >= 0 ? named + field.from : Number(word);
}
