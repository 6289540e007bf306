// A time of day that a test moves (common/test_clock.h): what the project's code reads as `Date` is as far ahead as that
// of the statekeeper. Timers are not moved.
import fs from 'node:fs';

// `path`: the file of 8 bytes that says how far.
export function useTestClock(path) {
  const file = fs.openSync(path);
  const aheadMs = new BigInt64Array(1);
  const bytes = new Uint8Array(aheadMs.buffer);
  const RealDate = globalThis.Date;
  const now = () => {
    fs.readSync(file, bytes, 0, bytes.length, 0);
    return RealDate.now() + Number(aheadMs[0]);
  };
  const Moved = new Proxy(RealDate, {
    get: (target, name) => name === 'now' ? now : target[name],
    apply: (target) => new target(now()).toString(),
    construct: (target, args, newTarget) => Reflect.construct(target, args.length > 0 ? args : [now()], newTarget),
  });
  RealDate.prototype.constructor = Moved;
  globalThis.Date = Moved;
}
