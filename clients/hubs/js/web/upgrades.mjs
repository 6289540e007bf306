// From an answer with status 101 to the socket of a hub.
import {HubConnection, LIVE_TAG} from './hub_connection.mjs';
import {LocalEnd} from './local_end.mjs';
import {ReservedSocket} from './reserved_socket.mjs';

// Behind the client's end of a pair: the hub's connection, or a ReservedSocket. Null: a Worker has kept the other end.
export function acceptedOf(webSocket, hub) {
  const end = webSocket.behind;
  if (end instanceof ReservedSocket) return end;
  if (!(end instanceof LocalEnd)) throw new TypeError('A Response can have only one end of a WebSocketPair.');
  if (end.accepted) throw new TypeError("Can't return a WebSocket in a Response after calling accept() on it.");
  const {webSocket: server} = end.peer;
  if (server.behind instanceof HubConnection) return server.behind;
  if (!hub) return null;
  if (!end.peer.accepted) throw new TypeError('The other end of the WebSocketPair was not accepted.');
  return listenTo(server, end, hub);
}

// The object has called accept() and has listeners.
function listenTo(server, clientEnd, hub) {
  const connection = new HubConnection(hub, server, [LIVE_TAG]);
  connection.live = true;
  server.stand(connection);
  for (const {data, close} of clientEnd.inbox.splice(0)) {
    if (close === undefined) connection.send(data);
    else connection.close(close[0], close[1]);
  }
  return connection;
}

// ctx.acceptWebSocket
export function acceptFor(hub, webSocket, tags) {
  const end = webSocket?.behind;
  if (!(end instanceof LocalEnd)) {
    throw new TypeError('acceptWebSocket() takes one end of a WebSocketPair that has not been accepted yet.');
  }
  if (end.accepted) {
    throw new TypeError('Tried to acceptWebSocket() a WebSocket on which accept() has been called.');
  }
  const connection = new HubConnection(hub, webSocket, tags);
  connection.attachment = end.attachment;
  webSocket.stand(connection);
  return connection;
}
