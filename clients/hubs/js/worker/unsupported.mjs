// A binding that the project has, and Dormouse has not: to use it throws the sentence that the build has said.
const ASKED_BY_THE_LANGUAGE = new Set(['then', 'toJSON', 'constructor']);

export function unsupportedBinding(message) {
  return new Proxy({}, {
    get(target, name) {
      if (typeof name === 'symbol' || ASKED_BY_THE_LANGUAGE.has(name)) return undefined;
      throw new Error(message);
    },
  });
}
