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
    "rate_limit",   "unreadable",     "output_lost"};
constexpr std::array<const char*, kRefusalCauses> kRefusalCauseNames = {
    "token", "origin", "address_limit", "full", "proxy_header", "stopping", "not_ready"};

constexpr std::array<const char*, kAppFailures> kAppFailureNames = {
    "no_worker",   "worker_gone", "worker_slow", "bad_answer",
    "client_gone", "client_slow", "bad_request", "stopping"};

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
    : connections(Gauge(registry, "dormouse_connections", "Open WebSockets")),
      half_open(Gauge(registry, "dormouse_half_open", "Sockets whose request has not been answered yet")),
      congested(Gauge(registry, "dormouse_connections_congested",
                      "Sockets not read because their shard has its share of the replay buffer")),
      inbound_partial_bytes(Gauge(registry, "dormouse_inbound_partial_bytes",
                                  "Memory for messages that have come in part; inbound-buffer is its bound")),
      outbound_queued_bytes(Gauge(registry, "dormouse_outbound_queued_bytes",
                                  "Bytes that wait for clients that read slowly, counted for each of them")),
      outbound_buffer_bytes(Gauge(registry, "dormouse_outbound_buffer_bytes",
                                  "Memory for what waits for clients that read slowly: what several of them "
                                  "wait for counts once; outbound-buffer is its bound")),
      events_unsettled(Gauge(registry, "dormouse_events_unsettled",
                             "Events that would be replayed now; it grows while the statekeeper or the store "
                             "is away, and falls back")),
      replay_buffer_bytes(
          Gauge(registry, "dormouse_replay_buffer_bytes",
                "Memory for events that are not settled; a lane's part is bounded by replay-buffer")),
      app_requests(Gauge(registry, "dormouse_app_requests", "HTTP requests that the app is answering")),
      tls_certificate_expiry(
          Gauge(registry, "dormouse_tls_certificate_expiry_seconds",
                "When the certificate of tls-cert that is in force expires, in seconds since 1970; 0: "
                "there is none. A new one has to be there before")),
      fallback_connections(Gauge(
          registry, "dormouse_fallback_connections",
          "Connections of clients that have no WebSocket, those on their way in or out included; each counts "
          "among dormouse_connections, too; fallback-connections is their bound")),
      fallback_streams(Gauge(registry, "dormouse_fallback_streams",
                             "Clients without a WebSocket that are sent an event stream now")),
      fallback_polls(
          Gauge(registry, "dormouse_fallback_polls", "Clients without a WebSocket whose poll waits now")),
      fallback_cut(
          Counter(registry, "dormouse_fallback_cut_total",
                  "Streams and polls that ended on their way, as where a proxy ends what takes long; "
                  "clients go on in another")),
      fallback_lost(Counter(registry, "dormouse_fallback_lost_total",
                            "Connections without a WebSocket whose client did not come back within "
                            "fallback-window, or that went for want of room")),
      fallback_bytes_in(Counter(registry, "dormouse_fallback_received_bytes_total",
                                "Bytes of messages in requests of clients without a WebSocket")),
      fallback_bytes_out(Counter(registry, "dormouse_fallback_sent_bytes_total",
                                 "Bytes of answers to clients without a WebSocket, counted when one ends")),
      opened(Counter(registry, "dormouse_connections_opened_total", "WebSockets opened")),
      handshake_timeouts(Counter(registry, "dormouse_handshake_timeouts_total",
                                 "Requests that did not come in time, or before so many others that a "
                                 "quarter of all descriptors waited for theirs")),
      tls_handshakes(
          Counter(registry, "dormouse_tls_handshakes_total",
                  "TLS handshakes with clients that are done: each costs as much as a hundred messages")),
      tls_resumptions(Counter(registry, "dormouse_tls_resumptions_total",
                              "Those of them that a ticket has made cheaper")),
      tls_failures(Counter(registry, "dormouse_tls_failures_total",
                           "TLS handshakes with clients that failed; log-level debug says why")),
      accepts_crowded(Counter(registry, "dormouse_accepts_crowded_total",
                              "Sockets accepted with few file descriptors left: more gateways are needed")),
      events(Counter(registry, "dormouse_events_total",
                     "What clients did (opened, said, closed), handed to statekeepers")),
      event_bytes(Counter(registry, "dormouse_event_bytes_total", "Payload bytes of events")),
      events_unreadable(Counter(
          registry, "dormouse_events_unreadable_total",
          "Events dropped because a statekeeper could not read them; their sockets were closed, 1011. Never "
          "above 0 for nothing (a gateway of a later version?): the log names hub and event")),
      deliveries(Counter(registry, "dormouse_deliveries_total",
                         "Frames written to sockets for hubs, one for each recipient")),
      delivery_bytes(
          Counter(registry, "dormouse_delivery_bytes_total", "Payload bytes written to sockets for hubs")),
      deliveries_queued(
          Counter(registry, "dormouse_deliveries_queued_total", "Frames that had to wait for their socket")),
      writes(Counter(registry, "dormouse_socket_writes_total", "Writes to clients' sockets: system calls")),
      auto_responses(Counter(registry, "dormouse_auto_responses_total",
                             "Frames answered at the edge, heartbeats above all: no hub is woken for them")),
      rate_limited(Counter(registry, "dormouse_rate_limited_total", "Frames refused over a rate limit")),
      oversized(Counter(registry, "dormouse_oversized_total", "Frames refused over max-message-size")),
      answers_dropped(Counter(
          registry, "dormouse_edge_answers_dropped_total",
          "Errors and heartbeats' answers that a client was not sent, for it had many or did not read them")),
      windows_full(Counter(
          registry, "dormouse_connection_windows_full_total",
          "Times that a socket was read no further until its hub had dealt with half of connection-window")),
      batch_deliveries(
          &prometheus::BuildHistogram()
               .Name("dormouse_batch_deliveries")
               .Help("Deliveries in one batch of a statekeeper lane: it grows with load, and costs fall")
               .Register(*registry)
               .Add({},
                    prometheus::Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})),
      closes_(CountersByReason(
          registry, "dormouse_closes_total",
          "WebSockets closed, by who or what closed them; not_admitted: over connect-timeout, partials_full: "
          "over inbound-buffer, slow_consumer: over outbound-limit, outbound_full: over outbound-buffer, "
          "rate_limit: far over its rate limit, unreadable: of dormouse_events_unreadable_total, "
          "output_lost: this gateway hung and was given up, and came back",
          kCloseCauseNames)),
      refusals_(CountersByReason(registry, "dormouse_refusals_total",
                                 "Clients that were not let in; not_ready: no statekeeper yet; proxy_header: "
                                 "connections of trusted-proxies that did not begin as proxy-protocol asks",
                                 kRefusalCauseNames)),
      app_failures_(CountersByReason(
          registry, "dormouse_app_failures_total",
          "Requests that the app did not answer, or not to the end; no_worker: none takes requests, "
          "worker_gone: it ended before its answer did, worker_slow, client_slow: over app-timeout, "
          "client_gone: who asked did not wait, and nothing is wrong here",
          kAppFailureNames)),
      http_responses_(&prometheus::BuildCounter()
                           .Name("dormouse_http_responses_total")
                           .Help("Requests answered that did not become WebSockets")
                           .Register(*registry)) {
  auto& takeovers =
      prometheus::BuildCounter()
          .Name("dormouse_takeovers_total")
          .Help(
              "Upgrades that close no socket; done: this process took over from another, refused: "
              "it was asked to be replaced and nothing came of it, failed: it stood still for a "
              "moment and went on")
          .Register(*registry);
  takeovers_done = &takeovers.Add({{"result", "done"}});
  takeovers_refused = &takeovers.Add({{"result", "refused"}});
  takeovers_failed = &takeovers.Add({{"result", "failed"}});
  takeover_sockets = Gauge(registry, "dormouse_takeover_sockets",
                           "WebSockets that this process took over from the one before it");
  takeover_pause_seconds =
      Gauge(registry, "dormouse_takeover_pause_seconds",
            "Time for which nobody served them, as this process took over, or as a take-over failed");
}

void GatewayMetrics::HttpResponse(int status) {
  http_responses_->Add({{"status", std::to_string(status)}}).Increment();
}

}  // namespace dormouse::edge
