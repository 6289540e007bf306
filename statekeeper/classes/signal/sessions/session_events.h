// What happens to a session from outside, and which part of this folder deals with it: by the state in which
// the session is (StateOf), a lost socket and a deadline mean different things.
#pragma once

#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

// A connection has closed: its session waits to be resumed, or ends.
void OnSocketClosed(const SessionParts& parts, const ConnectionId& connection, const Session& session,
                    const CloseInfo& info);

// A deadline of a session has come. Touches at most about `limit` rows and returns how many.
size_t OnSessionDeadline(const SessionParts& parts, const ConnectionId& holder, size_t limit);

}  // namespace dormouse::signal
