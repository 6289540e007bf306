#include "gateway/edge/sockets/idle_timeout.h"

#include <algorithm>

#include "gateway/edge/rules/edge_rules.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

Deadline CheckIdleTimeout(Connection* connection, int64_t now_ms) {
  const EdgeRules& rules = connection->hub_class->rules();
  if (rules.idle_timeout_ms == 0) return {};
  const auto timeout_ms = static_cast<int64_t>(rules.idle_timeout_ms);
  if (now_ms - connection->last_seen_ms >= timeout_ms) {
    connection->last_seen_ms =
        std::max(connection->last_seen_ms, now_ms - WebSockets::SinceLastDataMs(*connection));
  }
  int64_t since_ms = connection->last_seen_ms;
  if (connection->partial != nullptr) since_ms = std::min(since_ms, connection->partial->started_ms());
  // One that is not read on purpose cannot be heard.
  if (now_ms - since_ms >= timeout_ms && !connection->IsBackpressured()) return {.expired = true};
  return {.next_ms = std::max(since_ms + timeout_ms, now_ms + static_cast<int64_t>(rules.idle_check_ms))};
}

}  // namespace dormouse::edge
