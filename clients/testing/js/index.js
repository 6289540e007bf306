// Clusters for tests; what it can do is in index.d.ts, how it is used in ../README.md.
export {Cluster} from './cluster.js';
export {HubSocket} from './hub_socket.js';
