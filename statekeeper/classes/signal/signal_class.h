// Hub class "signal": a router between actors. Clients connect, register addresses, find each other, send,
// broadcast, and publish to topics. The protocol, in its two dialects, is in messages.h; what is kept is in
// session.h, registry.h and subscriptions.h; what gateways do for it is in edge_profile.h.
#pragma once

#include <memory>

#include "common/auth/token_authority.h"
#include "common/config/options.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

// `authority` judges clients' tokens and outlives the class; nullptr: authentication is off.
std::unique_ptr<HubClass> NewSignalClass(const Options& options, const TokenAuthority* authority = nullptr);

}  // namespace dormouse
