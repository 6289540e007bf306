#include "statekeeper/classes/signal/messages/message_table.h"

#include <algorithm>

#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/protocol/envelope.h"

namespace dormouse::signal {
namespace {

using Dialects = MessageType::Dialects;

constexpr MessageType::Reply InBoth(std::string_view type) { return {type, type}; }

// clang-format off
constexpr MessageType kTypes[] = {
    {.type = "hub:broadcast", .handler = OnHubBroadcast, .reply = {"hub:broadcast_ack", "hub:delivery_ack"},
     .needs = kMayBroadcast, .speaks_for_actor = true},
    {.type = "hub:connect", .handler = OnHubConnect, .reply = InBoth("hub:connected"),
     .begins_session = true, .is_rate_limited = false},
    {.type = "hub:disconnect", .handler = OnHubDisconnect, .reply = {"hub:disconnect", "hub:disconnect_ack"},
     .needs_fresh_token = false},
    {.type = "hub:discover", .handler = OnHubDiscover, .reply = {"hub:discovered", "hub:discovery_result"},
     .needs = kMayDiscover},
    {.type = "hub:heartbeat", .handler = OnHubHeartbeat, .reply = InBoth("hub:heartbeat_ack"),
     .needs_fresh_token = false, .is_activity = false},
    {.type = "hub:list_actors", .handler = OnHubListActors, .reply = InBoth("hub:actor_list"),
     .needs = kMayDiscover},
    {.type = "hub:metrics", .handler = OnHubMetrics, .reply = InBoth("hub:metrics_response")},
    {.type = "hub:publish", .handler = OnHubPublish, .reply = {"hub:published", "hub:delivery_ack"},
     .needs = kMayPublish, .speaks_for_actor = true},
    {.type = "hub:queue_stats", .handler = OnHubQueueStats, .reply = InBoth("hub:queue_stats_response")},
    {.type = "hub:refresh_token", .handler = OnHubRefreshToken, .reply = InBoth("hub:token_refreshed"),
     .needs_fresh_token = false},
    {.type = "hub:register", .handler = OnHubRegister, .reply = InBoth("hub:registered"),
     .needs = kMayRegister, .speaks_for_actor = true},
    {.type = "hub:renew", .handler = OnHubRenew, .reply = InBoth("hub:renewed"),
     .needs = kMayRegister, .speaks_for_actor = true, .is_activity = false},
    {.type = "hub:send", .handler = OnHubSend, .reply = InBoth("hub:delivery_ack"), .silent_tells = Dialects::kBoth,
     .needs = kMaySend, .speaks_for_actor = true},
    {.type = "hub:subscribe", .handler = OnHubSubscribe, .reply = InBoth("hub:subscribed"),
     .needs = kMaySubscribe | kMayReceive, .speaks_for_actor = true},
    {.type = "hub:unregister", .handler = OnHubUnregister, .reply = InBoth("hub:unregistered"),
     .silent_tells = Dialects::k0_1, .speaks_for_actor = true},
    {.type = "hub:unsubscribe", .handler = OnHubUnsubscribe, .reply = InBoth("hub:unsubscribed"),
     .silent_tells = Dialects::k0_1, .speaks_for_actor = true},
};
// clang-format on
static_assert(std::ranges::is_sorted(kTypes, {}, &MessageType::type));

constexpr MessageType kApplicationType = {.type = {},
                                          .handler = OnApplicationMessage,
                                          .reply = InBoth("hub:delivery_ack"),
                                          .silent_tells = Dialects::kBoth,
                                          .needs = kMaySend,
                                          .speaks_for_actor = true};

}  // namespace

std::span<const MessageType> MessageTypes() { return kTypes; }

const MessageType* FindMessageType(std::string_view type) {
  if (!Envelope::IsHubType(type)) return &kApplicationType;
  const auto* found = std::ranges::lower_bound(kTypes, type, {}, &MessageType::type);
  return found != std::end(kTypes) && found->type == type ? found : nullptr;
}

}  // namespace dormouse::signal
