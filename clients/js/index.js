// A client for the hubs of Dormouse: see clients/README.md, and index.d.ts for the whole surface.
export {DormouseClient} from './client.js';
export {EchoClient} from './echo_client.js';
export {DormouseError} from './errors.js';
