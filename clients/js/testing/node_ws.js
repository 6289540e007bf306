// Debian's package node-ws: a WebSocket for Node, and a server to talk to.
import {createRequire} from 'node:module';

// Debian's own Node finds it; another one does where NODE_PATH says /usr/share/nodejs.
export const ws = createRequire(import.meta.url)('ws');
