// Tells hubs what happens to their connections: one place that fills in an event's fields. Nothing of the
// payload is copied here. On the loop's thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/sockets/connection.h"
#include "gateway/link/statekeeper_links.h"
#include "proto/packed.h"

namespace dormouse::edge {

class EventWriter {
 public:
  // What a connection may have under way without standing in a line of its own.
  static constexpr size_t kFairBytes = 64u << 10;

  explicit EventWriter(GatewayMetrics* metrics) : metrics_(metrics) {}

  // Before the first event; they outlive this.
  void set_links(StatekeeperLinks* links) { links_ = links; }

  StatekeeperLinks::AppendResult Append(const Connection& connection, EventKind kind,
                                        std::string_view payload = {}) {
    EventView event;
    event.kind = kind;
    event.connection = connection.handle;
    event.last_seen_ms = WallMs() - (SteadyMs() - connection.last_seen_ms);
    event.hub = connection.hub;
    event.payload = payload;
    metrics_->events->Increment();
    metrics_->event_bytes->Increment(static_cast<double>(payload.size()));
    const bool is_frame = kind == EventKind::kText || kind == EventKind::kBinary;
    const bool is_much = is_frame && connection.unsettled_bytes + payload.size() > kFairBytes;
    return is_much ? links_->AppendInLine(event) : links_->Append(event);
  }
  // A returnable frame to this handle comes back. `tail`: its end, where others share it.
  // `kind`: kUndelivered or kUnconfirmed.
  void AppendReturn(EventKind kind, uint64_t handle, std::string_view hub, std::string_view frame,
                    SharedTail tail = {}) {
    AppendOfHandle(kind, handle, hub, frame, std::move(tail));
  }
  // Returnable frames to the connection do not come back.
  void AppendLost(const Connection& connection, const Lost& lost) {
    AppendOfHandle(EventKind::kLost, connection.handle, connection.hub, LostPayload(lost));
  }
  // There is no open socket with this handle, for a hub that thinks so.
  void AppendAbsent(uint64_t handle, std::string_view hub) {
    AppendOfHandle(EventKind::kClose, handle, hub, ClosePayload(1006, {}));
  }
  void AppendClose(const Connection& connection, uint16_t code, std::string_view reason,
                   bool by_client = false) {
    Append(connection, EventKind::kClose, ClosePayload(code, reason, by_client));
  }
  bool IsCongested(const Connection& connection) const { return links_->IsCongested(connection.hub); }

 private:
  void AppendOfHandle(EventKind kind, uint64_t handle, std::string_view hub, std::string_view payload,
                      SharedTail tail = {}) {
    EventView event;
    event.kind = kind;
    event.connection = handle;
    event.last_seen_ms = WallMs();
    event.hub = hub;
    event.payload = payload;
    metrics_->events->Increment();
    metrics_->event_bytes->Increment(static_cast<double>(payload.size() + tail.size));
    links_->AppendWithTail(event, std::move(tail));
  }

  StatekeeperLinks* links_ = nullptr;
  GatewayMetrics* metrics_;
};

}  // namespace dormouse::edge
