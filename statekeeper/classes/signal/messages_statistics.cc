// What the hub says of itself: queue_stats.
#include <fmt/format.h>

#include "statekeeper/classes/json/json_writer.h"
#include "statekeeper/classes/signal/messages.h"

namespace dormouse::signal {

void OnHubQueueStats(Call& call) {
  const uint64_t waiting =
      call.context.waiting_events() + FlowControl(call.context, call.memory.congestion).waiting_messages();
  const double rate = call.memory.throughput.PerSecond(call.context.now_ms());
  call.Reply("hub:queue_stats_response", JsonWriter()
                                             .Int("queueDepth", static_cast<int64_t>(waiting))
                                             .Raw("processingRate", fmt::format("{:.1f}", rate))
                                             .Int("pauseThreshold", call.options.outbound_pause_messages)
                                             .Int("resumeThreshold", call.options.outbound_resume_messages)
                                             .Finish());
}

}  // namespace dormouse::signal
