// How a connection ends (RFC 6455, 7): by the edge, its hub, its client, or the network. Its hub is told, a
// close frame goes out after what was sent before, and the client gets so long to answer it; then the socket
// is closed. What did not reach the client goes back to the hub, after the event that says how it ended.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/loop/loop_timers.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/kept_output.h"
#include "gateway/edge/outbound/outbound.h"
#include "gateway/edge/outbound/outbound_queues.h"
#include "gateway/edge/outbound/returned_frames.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

class ClosingHandshake : public Outbound::Closer {
 public:
  // All outlive this. A connection's timer, once it is closing, is for aborting it.
  struct Parts {
    WebSockets* sockets;
    ConnectionTable* table;
    LoopTimers* timers;
    EventWriter* events;
    KeptOutput* kept;
    OutboundQueues* queues;
    ReturnedFrames* returned;
    Outbound* outbound;
    GatewayMetrics* metrics;
  };
  ClosingHandshake(const Parts& parts, int64_t close_timeout_ms)
      : parts_(parts), close_timeout_ms_(close_timeout_ms) {}
  ClosingHandshake(const ClosingHandshake&) = delete;
  ClosingHandshake& operator=(const ClosingHandshake&) = delete;

  // --- By the edge.
  // What waits to be written is dropped.
  void Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  // Before a close that can wait so long: how long a client has to say that it has what was written.
  static constexpr int64_t kConfirmationMs = 1'000;
  // False: the client has just been asked, look again then (for one that is drained the timer is set sooner,
  // when it answers). Asks once.
  bool MayClose(Connection* connection);
  // The client has said so.
  void OnConfirmed(Connection* connection);
  // Closes who makes others want for memory; who is closing already has had its time.
  void Evict(Connection* connection);
  // A closing one has had its time: ends it without its client.
  void OnTimeout(Connection* connection);

  // --- By the hub: a delivery of kind close.
  void Deliver(const DeliveryView& delivery);

  // --- By the client or the network.
  // The client's close frame; kNoCloseCode: without a code.
  void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason);
  // The client broke the protocol.
  void OnProtocolError(Connection* connection, uint16_t code, std::string_view what);
  // The socket is closed, the record is about to be freed.
  void OnGone(Connection* connection);

  // Outbound::Closer
  void OnCloseSent(Connection* connection) override;
  void OnTooSlow(Connection* connection) override;
  void OnProgress(Connection* connection) override;

 private:
  // How long a client that has had its close frame has to end the connection.
  static constexpr int64_t kLingerMs = 1'000;

  void StartClosing(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  // Not by the edge or the hub: tells the hub, once.
  void Ended(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  // The client has had its close frame, and is not heard any more.
  void EndOutput(Connection* connection);

  const Parts parts_;
  const int64_t close_timeout_ms_;
};

}  // namespace dormouse::edge
