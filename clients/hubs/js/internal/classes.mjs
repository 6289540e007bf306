// Classes of the host's own, which no project can name: they have a "." in their names. They are there where the
// manifest has them; one that was built before they were does without.
import {CronClaims} from './cron_claims.mjs';
import {KeptSockets} from './kept_sockets.mjs';
import {SocketHomes} from './socket_homes.mjs';

export const CRONS = 'dormouse.crons';
export const SOCKETS = 'dormouse.sockets';
export const HOMES = 'dormouse.homes';

export const INTERNAL_CLASSES = new Map([[CRONS, CronClaims], [SOCKETS, KeptSockets], [HOMES, SocketHomes]]);
