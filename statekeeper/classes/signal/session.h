// A session: what the hub knows of one connection, kept in the connection's attachment (stored.proto).
//
// States: connecting -> connected -> disconnecting -> disconnected. The first lasts until hub:connect (with
// authentication off other messages work before it); the third lasts for one handler, in which everything of
// the session becomes invisible; the last is a connection that is gone. A session whose socket broke stays
// connected, without a connection, while it can be resumed (absent_sessions.h).
#pragma once

#include "statekeeper/classes/signal/address.h"
#include "statekeeper/classes/signal/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

Session LoadSession(const Connection& connection);
void SaveSession(Context& context, const ConnectionId& connection, const Session& session);

inline bool IsConnected(const Session& session) { return !session.session_id().empty(); }

// What the session is called in replies; a connection that never sent hub:connect goes by its own id.
std::string SessionName(const ConnectionId& connection, const Session& session);

// Who the client is when it does not say.
Address SessionAddress(const Session& session);

}  // namespace dormouse::signal
