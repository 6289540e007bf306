// What a session may do, where tokens are asked for: by its state, by the capabilities of its token, and by
// whom a message claims to be from.
//
// With authentication off everybody may do everything, but for giving up an address that is another
// session's.
#pragma once

#include <string>

#include "statekeeper/classes/signal/messages/call.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// To be asked before a message is handled: true when the session may not send it; it was answered then, and
// nothing changed. The session must have connected; what else is asked of it is in the message's row
// (message_table.h). In messages that speak for an actor, `from` must be the token's actor, or an address
// that the token covers and the session has registered or is about to.
bool IsForbidden(Call& call);

// Whether the token covers an address, bare: its actor, or one that a glob of its claim `actors` matches.
// False: it was answered.
bool MayActFor(const Call& call, const std::string& address);

// Whether a registration that `owner` holds is this session's to change: it made it, or it is the address's
// own session: that of the token's actor or, with authentication off, one that named this address in
// hub:connect (in `from`, where there was no hub:connect).
bool IsOwn(const Call& call, const std::string& address, const ConnectionId& owner);

// Whether the session may be told who comes and goes: what it could find out with hub:discover. False: it was
// answered.
bool MayWatch(const Call& call);

// Whether messages may go to what the session registers.
bool MayReceive(const Call& call);

}  // namespace dormouse::signal
