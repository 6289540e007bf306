// The answer to hub:connect, given at once or, when a session has to be fetched first, later.
#pragma once

#include <string>
#include <string_view>

#include "common/config/options.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

inline constexpr std::string_view kConnectedType = "hub:connected";

// Gives `session` a new resume token, where sessions can be resumed. The tokens before it end.
// Returns the token; empty: there is none.
std::string IssueToken(const Options& options, const ConnectionId& connection, Session* session);

// The same, but the tokens before it stay good: any of them may be the one that the client has, since all but
// one of several answers are lost.
std::string IssueAnotherToken(const Options& options, const ConnectionId& connection, Session* session);
// Whether `hash` is of a token of the session that is good.
bool HasToken(const Session& session, const std::string& hash);

// Whether `hash` is of the token that it was resumed with, or refreshed, and whose user may not have the next.
bool HasUsedToken(const Session& session, const std::string& hash);

// Begins a session of its own at the connection that asks, and says so.
void BeginSession(Context& context, const Options& options, const ConnectRequest& request);

// Sends hub:connected for a session that is saved. `token`: the resume token; empty: none.
void SendConnected(Context& context, const Options& options, const ConnectRequest& request,
                   const Session& session, const std::string& token);

}  // namespace dormouse::signal
