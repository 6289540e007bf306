// Who a session is, where tokens are asked for: what hub:connect and hub:refresh_token do with a token, and
// what of it the session keeps (Session.grant). What a session may do is in permissions.h.
#pragma once

#include <string>

#include "proto/link.pb.h"
#include "statekeeper/classes/signal/messages/call.h"

namespace dormouse::signal {

// The gateway has checked a token at the upgrade: hub:connect needs none then.
void KeepIdentity(Context& context, const Connection& connection, const Options& options,
                  const link::Identity& identity);

// For hub:connect: finds the token (payload.jwt or metadata.authToken, either with an optional "bearer "),
// sets call.session's grant and lets the connection in. On a connected session, which must stay the same
// actor's, it saves the session, so that a new token extends it. False: refused, and answered. With
// authentication off: true, always.
bool Authenticate(Call& call);

// Whose a session becomes by hub:connect, as a bare address: the token's actor whatever `from` says; with
// authentication off, `from`. Needs call.from.
const std::string& ConnectingActor(const Call& call);

// How hub:connected names the actor and, in dialect 1.0, what it grants; JSON.
std::string ActorIdentity(const Call& call);
std::string GrantedCapabilities(const Call& call);

// hub:refresh_token with authentication on: a good token of the session's actor for a fresh one, which
// extends the session.
void RefreshToken(Call& call);

}  // namespace dormouse::signal
