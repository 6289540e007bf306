// Options that are numbers. A timer that gets NaN or a negative time fires at once, and a limit of NaN limits nothing.

function refuse(name, what, value) {
  throw new TypeError(`The option ${name} is ${what}, not ${typeof value === 'string' ? `"${value}"` : value}.`);
}

// ms; Infinity: no end.
export function checkedTimeout(value, name = 'timeout') {
  if (typeof value !== 'number' || !(value > 0)) refuse(name, 'a number of ms above 0', value);
  return value;
}

// ms, or none at all.
export function checkedTime(value, name) {
  if (typeof value !== 'number' || !(value >= 0)) refuse(name, 'a number of ms', value);
  return value;
}

export function checkedCount(value, name) {
  if (value !== Infinity && !(Number.isInteger(value) && value >= 0)) refuse(name, 'a whole number', value);
  return value;
}
