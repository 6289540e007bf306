// Node's inspector, for a debugger, at an address that is the same for all versions of the project. The process of the
// version before has it until that one sees that another has taken its place.
import inspector from 'node:inspector';
import net from 'node:net';
import {setTimeout as after} from 'node:timers/promises';

const HOST = '127.0.0.1';  // who reaches it can do whatever this process can
const TRY_EVERY = 200;     // ms

let wanted = false;

// Node says on standard error where it listens.
export async function openInspector(port) {
  wanted = true;
  while (wanted && !inspector.url()) {
    if (await isFree(port) && wanted) inspector.open(port, HOST);
    else await after(TRY_EVERY, undefined, {ref: false});
  }
}

export function closeInspector() {
  wanted = false;
  if (inspector.url()) inspector.close();
}

// Node would complain each time, on standard error.
function isFree(port) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, HOST, () => probe.close(() => resolve(true)));
  });
}
