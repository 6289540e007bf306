#include "statekeeper/runtime/hub/hub_report.h"

namespace dormouse {

HubReport ReportOf(const stored::HubMeta& meta) {
  HubReport report;
  for (const auto& each : meta.gateways()) {
    report.sockets += each.sockets();
    report.sockets_by_gateway.emplace_back(each.gateway(), each.sockets());
  }
  if (meta.alarm_due_ms() != 0) report.alarm_due_ms = meta.alarm_due_ms();
  for (const auto& timer : meta.timers()) report.timers.emplace_back(timer.name(), timer.due_ms());
  report.state_bytes = meta.state_bytes();
  report.half_restored = meta.restoring() != 0;
  return report;
}

std::vector<ConnectionReport> ConnectionsAfter(const std::string& after, size_t limit, HubState* state) {
  std::vector<ConnectionReport> out;
  for (const ConnectionId& id : state->ConnectionsAfter(after, limit)) {
    const auto connection = state->FindConnection(id);
    if (connection == nullptr) continue;
    out.push_back({id, connection->connected_ms, connection->last_seen_ms, connection->attachment.size(),
                   connection->tags});
  }
  return out;
}

}  // namespace dormouse
