// A socket opens at a hub: either the hub has answered its upgrade before, and the opening says which answer it was; or
// nobody has, and the hub's own fetch is asked now.
import {HubConnection} from '../web/hub_connection.mjs';
import {Request} from '../web/request.mjs';
import {acceptedOf} from '../web/upgrades.mjs';

export function openSocket(record) {
  const {hub} = record.life;
  const {reservation} = record.body;
  if (reservation === '') return askFetch(record);
  const connection = hub.reservations.redeem(reservation);
  if (!connection) throw new Error('The object has been reset since it answered this upgrade.');
  connection.open(record.connection);
  return undefined;
}

async function askFetch(record) {
  const {hub, instance} = record.life;
  const {path, query, headers, subprotocol} = record.body;
  const request = new Request(`http://${hub.hubName}${path || '/'}${query ? `?${query}` : ''}`, {
    headers: [...headers.filter(([name]) => !/^(upgrade|connection)$/i.test(name)), ['Upgrade', 'websocket']],
  });
  if (subprotocol && !request.headers.has('sec-websocket-protocol')) {
    request.headers.set('sec-websocket-protocol', subprotocol);
  }
  const response = await instance.fetch(request);
  if (response.status !== 101) throw new Error(`The upgrade was answered with ${response.status}.`);
  const connection = acceptedOf(response.webSocket, hub);
  if (!(connection instanceof HubConnection)) throw new Error('The upgrade was answered with a socket of another hub.');
  connection.open(record.connection);
}
