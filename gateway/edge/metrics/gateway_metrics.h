// What the gateway counts, for Prometheus. Created once; the counters are safe to use from any thread and
// cost an atomic addition.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <map>

namespace dormouse::edge {

// Why a socket was closed.
enum class CloseCause : uint8_t {
  kClient,         // the client said so
  kBroken,         // the connection broke
  kHub,            // the hub said so
  kIdle,           // silent for longer than the idle timeout
  kNotAdmitted,    // its hub did not let it in in time
  kTooLarge,       // a frame far over the size limit
  kInvalidUtf8,    // a text frame that is not UTF-8
  kProtocolError,  // not WebSocket
  kPartialsFull,   // no memory left for messages that have come in part
  kSlowConsumer,   // more waits for it than the outbound limit
  kGoingAway,      // this gateway stops
  kOutboundFull,   // no memory left for what waits for slow sockets
  kRateLimit,      // far over its rate limit, and for long
  kUnreadable,     // the statekeeper cannot read what happened to it
  kOutputLost,     // it lacks something that its hub has sent
};
inline constexpr size_t kCloseCauses = 15;

// Why a client was not let in.
enum class RefusalCause : uint8_t {
  kToken,         // none, or a bad one
  kOrigin,        // a page of another origin
  kAddressLimit,  // its address has as many sockets as it may
  kFull,          // the gateway has as many as it may, or as its descriptors allow
  kProxyHeader,   // a proxy did not begin with a good PROXY header
  kStopping,      // the gateway stops
  kNotReady,      // it has not found a statekeeper yet
};
inline constexpr size_t kRefusalCauses = 7;

// Why a request to the app got no answer, or not the whole of one.
enum class AppFailure : uint8_t {
  kNoWorker,      // none takes requests
  kWorkerGone,    // it ended the connection
  kWorkerSlow,    // it says nothing, or takes nothing, for too long
  kBadAnswer,     // what it says cannot be passed on
  kClientGone,    // or it has not sent what it announced
  kClientSlow,    // it sends nothing, or takes nothing, for too long
  kBadRequest,    // its body is broken
  kGatewayStops,  // and has waited for it for as long as it may
};
inline constexpr size_t kAppFailures = 8;

class GatewayMetrics {
 public:
  explicit GatewayMetrics(prometheus::Registry* registry);

  prometheus::Gauge* connections;
  prometheus::Gauge* half_open;
  prometheus::Gauge* congested;
  prometheus::Gauge* inbound_partial_bytes;
  prometheus::Gauge* outbound_queued_bytes;
  prometheus::Gauge* outbound_buffer_bytes;
  prometheus::Gauge* events_unsettled;
  prometheus::Gauge* replay_buffer_bytes;
  prometheus::Gauge* app_requests;
  prometheus::Gauge* tls_certificate_expiry;
  prometheus::Gauge* fallback_connections;
  prometheus::Gauge* fallback_streams;
  prometheus::Gauge* fallback_polls;
  prometheus::Counter* fallback_cut;
  prometheus::Counter* fallback_lost;
  prometheus::Counter* fallback_bytes_in;
  prometheus::Counter* fallback_bytes_out;
  prometheus::Counter* opened;
  prometheus::Counter* handshake_timeouts;
  prometheus::Counter* tls_handshakes;
  prometheus::Counter* tls_resumptions;
  prometheus::Counter* tls_failures;
  prometheus::Counter* accepts_crowded;
  prometheus::Counter* events;
  prometheus::Counter* event_bytes;
  prometheus::Counter* events_unreadable;
  prometheus::Counter* deliveries;
  prometheus::Counter* delivery_bytes;
  prometheus::Counter* deliveries_queued;
  prometheus::Counter* writes;
  prometheus::Counter* auto_responses;
  prometheus::Counter* rate_limited;
  prometheus::Counter* oversized;
  prometheus::Counter* answers_dropped;
  prometheus::Counter* windows_full;
  prometheus::Histogram* batch_deliveries;
  prometheus::Counter* takeovers_done;  // by this process, from another
  prometheus::Counter* takeovers_refused;
  prometheus::Counter* takeovers_failed;
  prometheus::Gauge* takeover_sockets;
  prometheus::Gauge* takeover_pause_seconds;

  void Closed(CloseCause cause) { closes_[static_cast<size_t>(cause)]->Increment(); }
  void Refused(RefusalCause cause) { refusals_[static_cast<size_t>(cause)]->Increment(); }
  void AppFailed(AppFailure failure) { app_failures_[static_cast<size_t>(failure)]->Increment(); }
  void HttpResponse(int status);

 private:
  std::array<prometheus::Counter*, kCloseCauses> closes_;
  std::array<prometheus::Counter*, kRefusalCauses> refusals_;
  std::array<prometheus::Counter*, kAppFailures> app_failures_;
  prometheus::Family<prometheus::Counter>* http_responses_;
};

}  // namespace dormouse::edge
