// Hub class "signal": a router between actors. Clients connect, register addresses, find each other, send,
// broadcast, and publish to topics. What gateways do for it is in edge_profile.h.
//
//   protocol/  what is said: addresses, envelopes, errors, patterns, topics, in the two dialects
//   state/     what is kept: the formats of rows, a session in its connection's attachment, the hub's memory
//   registry/  who is there: registrations, subscriptions, who is told of them
//   delivery/  messages that wait: mailboxes, targets that do not keep up
//   sessions/  how a session outlives its socket: lost, resumed, inherited, ended
//   messages/  the types of messages: their table, their handlers, who may send them
#pragma once

#include <memory>

#include "common/auth/token_authority.h"
#include "common/config/options.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

// `authority` judges clients' tokens and outlives the class; nullptr: authentication is off.
std::unique_ptr<HubClass> NewSignalClass(const Options& options, const TokenAuthority* authority = nullptr);

}  // namespace dormouse
