// What the hub says of itself: queue_stats, metrics.
#include <fmt/format.h>

#include <algorithm>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"

namespace dormouse::signal {

void OnHubQueueStats(Call& call) {
  const uint64_t waiting =
      call.context.waiting_events() + FlowControl(call.context, call.memory.congestion).waiting_messages();
  const double rate = call.memory.throughput.PerSecond(call.context.now_ms());
  call.Answer(JsonWriter()
                  .Int("queueDepth", static_cast<int64_t>(waiting))
                  .Raw("processingRate", fmt::format("{:.1f}", rate))
                  .Int("pauseThreshold", call.options.outbound_pause_messages)
                  .Int("resumeThreshold", call.options.outbound_resume_messages)
                  .Finish());
}

// Messages are counted since the hub woke: `uptime` ms ago.
void OnHubMetrics(Call& call) {
  const HubMemory& memory = call.memory;
  // The event that wakes a hub has come before that.
  const int64_t uptime_ms = std::max<int64_t>(call.context.now_ms() - memory.awake_since_ms, 0);
  Subscriptions subscriptions(call.context);
  const auto sessions = static_cast<int64_t>(call.context.connection_count());
  const auto absent = static_cast<int64_t>(memory.absent.CountSessions());
  const auto actors = static_cast<int64_t>(Registry(call.context, memory).Count());
  call.Answer(JsonWriter()
                  .Int("sessions", sessions)
                  .Int("absentSessions", absent)
                  .Int("actors", actors)
                  .Int("topics", subscriptions.CountTopics())
                  .Int("subscriptions", subscriptions.CountAll())
                  .Int("messagesIn", static_cast<int64_t>(memory.messages_in))
                  .Int("messagesOut", static_cast<int64_t>(memory.messages_out))
                  .Int("uptime", uptime_ms)
                  .Int("timestamp", call.context.now_ms())
                  .Finish());
}

}  // namespace dormouse::signal
