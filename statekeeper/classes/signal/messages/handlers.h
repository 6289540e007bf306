// The handlers of the protocol, one per message type (message_table.h), grouped by theme as their files are.
// Each answers its call, or says why not; none keeps anything beyond it.
#pragma once

#include <string>

#include "statekeeper/classes/signal/messages/call.h"

namespace dormouse::signal {

// connection.cc
void OnHubConnect(Call& call);
void OnHubHeartbeat(Call& call);
void OnHubDisconnect(Call& call);
void OnHubRefreshToken(Call& call);

// registration.cc
void OnHubRegister(Call& call);
void OnHubRenew(Call& call);
void OnHubUnregister(Call& call);

// discovery.cc
void OnHubDiscover(Call& call);
void OnHubListActors(Call& call);

// sending.cc
void OnHubSend(Call& call);
void OnHubBroadcast(Call& call);
// Any type that is not the hub's own: a hub:send of {to, type, data: payload}. Sent to the hub itself, or to
// nobody, it is unknown_actor for an ask and nothing for a tell.
void OnApplicationMessage(Call& call);

// statistics.cc
void OnHubQueueStats(Call& call);
void OnHubMetrics(Call& call);

// topics.cc
void OnHubSubscribe(Call& call);
void OnHubUnsubscribe(Call& call);
void OnHubPublish(Call& call);

// Whether the session holds the registration of an address, bare, alive or expired a moment ago.
bool HasRegistered(Call& call, const std::string& address);

// The actor for whom a session speaks: `from`, where the session registered it; else the one that it
// registered last (published clients connect under a temporary name, and keep using it here and there); else
// `from`. Needs call.from.
Address ActingActor(Call& call);

}  // namespace dormouse::signal
