// A session: what the hub knows of one connection, kept in the connection's attachment (stored.proto).
//
// States: connecting -> connected -> disconnecting -> disconnected. The first lasts until hub:connect (with
// authentication off other messages work before it); the third lasts for one handler, in which everything of
// the session becomes invisible; the last is a connection that is gone. A session whose socket broke stays
// connected, without a connection, while it can be resumed (sessions/absence_table.h).
#pragma once

#include <string>
#include <string_view>

#include "common/ids.h"
#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// A connection that a stored message names by its 16 bytes.
inline ConnectionId StoredConnection(std::string_view bytes) {
  return ConnectionId::FromBytes(bytes).value_or(ConnectionId{});
}

// RFC 6455, 7.4.1.
inline constexpr uint16_t kNormalClosure = 1000;

Session LoadSession(const Connection& connection);
void SaveSession(Context& context, const ConnectionId& connection, const Session& session);

inline bool IsConnected(const Session& session) { return !session.session_id().empty(); }

// What the session is called in replies; a connection that never sent hub:connect goes by its own id.
std::string SessionName(const ConnectionId& connection, const Session& session);

// Who the client is when it does not say.
Address SessionAddress(const Session& session);

}  // namespace dormouse::signal
