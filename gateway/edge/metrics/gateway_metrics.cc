#include "gateway/edge/metrics/gateway_metrics.h"

#include <string>

namespace dormouse::edge {
namespace {

prometheus::Counter* Counter(prometheus::Registry* registry, const std::string& name,
                             const std::string& help) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(*registry).Add({});
}

prometheus::Gauge* Gauge(prometheus::Registry* registry, const std::string& name, const std::string& help) {
  return &prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}

constexpr std::array<const char*, kCloseCauses> kCloseCauseNames = {
    "client",       "broken",         "hub",           "idle",          "not_admitted", "too_large",
    "invalid_utf8", "protocol_error", "partials_full", "slow_consumer", "going_away",   "outbound_full",
    "rate_limit",   "unreadable"};
constexpr std::array<const char*, kRefusalCauses> kRefusalCauseNames = {
    "token", "origin", "address_limit", "full", "proxy_header", "stopping", "not_ready"};

// One counter per cause, so that each is there from the start, at zero.
template <size_t kCount>
std::array<prometheus::Counter*, kCount> CountersByReason(prometheus::Registry* registry,
                                                          const std::string& name, const std::string& help,
                                                          const std::array<const char*, kCount>& reasons) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
  std::array<prometheus::Counter*, kCount> counters;
  for (size_t i = 0; i < kCount; ++i) counters[i] = &family.Add({{"reason", reasons[i]}});
  return counters;
}

}  // namespace

GatewayMetrics::GatewayMetrics(prometheus::Registry* registry)
    : connections(Gauge(registry, "dormouse_connections", "WebSockets that are open")),
      half_open(Gauge(registry, "dormouse_half_open", "Sockets whose request has not been answered yet")),
      congested(Gauge(registry, "dormouse_connections_congested",
                      "WebSockets not read because their lane is behind")),
      inbound_partial_bytes(
          Gauge(registry, "dormouse_inbound_partial_bytes", "Memory for messages that have come in part")),
      outbound_queued_bytes(
          Gauge(registry, "dormouse_outbound_queued_bytes", "Bytes that wait for slow sockets")),
      outbound_buffer_bytes(Gauge(registry, "dormouse_outbound_buffer_bytes",
                                  "Memory for what waits for slow sockets, shared bytes counted once")),
      events_unsettled(Gauge(registry, "dormouse_events_unsettled", "Events not settled by their hubs yet")),
      replay_buffer_bytes(Gauge(registry, "dormouse_replay_buffer_bytes",
                                "Memory for events that are not settled, of all statekeeper lanes")),
      opened(Counter(registry, "dormouse_connections_opened_total", "WebSockets opened")),
      handshake_timeouts(Counter(registry, "dormouse_handshake_timeouts_total",
                                 "Requests that did not come in time, or before too many others")),
      accepts_crowded(
          Counter(registry, "dormouse_accepts_crowded_total", "Sockets accepted with few descriptors left")),
      events(Counter(registry, "dormouse_events_total", "Events handed to statekeepers")),
      event_bytes(Counter(registry, "dormouse_event_bytes_total", "Payload bytes of events")),
      events_unreadable(Counter(registry, "dormouse_events_unreadable_total",
                                "Events dropped because their statekeeper cannot read them")),
      deliveries(
          Counter(registry, "dormouse_deliveries_total", "Frames written for hubs, one per recipient")),
      delivery_bytes(Counter(registry, "dormouse_delivery_bytes_total", "Payload bytes written for hubs")),
      deliveries_queued(
          Counter(registry, "dormouse_deliveries_queued_total", "Frames that had to wait for their socket")),
      writes(Counter(registry, "dormouse_socket_writes_total", "Writes to clients' sockets: system calls")),
      auto_responses(Counter(registry, "dormouse_auto_responses_total", "Frames answered at the edge")),
      rate_limited(Counter(registry, "dormouse_rate_limited_total", "Frames dropped over the rate limit")),
      oversized(Counter(registry, "dormouse_oversized_total", "Frames dropped over the size limit")),
      answers_dropped(
          Counter(registry, "dormouse_edge_answers_dropped_total",
                  "Answers and errors of the edge that a client was not sent: it got many, or did "
                  "not read them")),
      windows_full(Counter(registry, "dormouse_connection_windows_full_total",
                           "Times that a WebSocket was read no further until its hub had dealt with more")),
      batch_deliveries(&prometheus::BuildHistogram()
                            .Name("dormouse_batch_deliveries")
                            .Help("Deliveries in a batch that a statekeeper lane sent")
                            .Register(*registry)
                            .Add({}, prometheus::Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256,
                                                                             512, 1024})),
      closes_(CountersByReason(registry, "dormouse_closes_total", "WebSockets closed", kCloseCauseNames)),
      refusals_(CountersByReason(registry, "dormouse_refusals_total", "Clients that were not let in",
                                 kRefusalCauseNames)),
      http_responses_(&prometheus::BuildCounter()
                           .Name("dormouse_http_responses_total")
                           .Help("Requests answered that did not become WebSockets")
                           .Register(*registry)) {}

void GatewayMetrics::HttpResponse(int status) {
  http_responses_->Add({{"status", std::to_string(status)}}).Increment();
}

}  // namespace dormouse::edge
