// What a facet can be of: a class that the bundle exports, as ctx.exports.NAME has it; called with {props}, the same one
// with other props.
export class FacetClass {
  Class;
  props;

  constructor(Class, props = {}) {
    this.Class = Class;
    this.props = props;
  }

  // `given`: what somebody has named as a class.
  static of(given) {
    if (given instanceof FacetClass) return given;
    if (typeof given === 'function') return new FacetClass(given);
    throw new TypeError(
      'getStartupOptions() returns an object whose `class` is one that the Worker exports: {class: this.ctx.exports.NAME}.');
  }
}

// The exports of a bundle, as ctx.exports has them.
export function exportsOf(bundle) {
  return Object.fromEntries(Object.entries(bundle).map(([name, value]) => [name, isClass(value) ? callable(value) : value]));
}

function isClass(value) { return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value)); }

function callable(Class) {
  return new Proxy(Class, {apply: (target, self, [options]) => new FacetClass(Class, options?.props)});
}
