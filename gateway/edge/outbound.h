// From hubs to sockets: deliveries, answers of the edge itself, and the end of connections.
//
// A frame goes straight from the memory of its batch to every socket that takes it. Only for those that do
// not take it now is it copied, once for all of them.
//
// A returnable frame that was not wholly handed to the library when its connection ended goes back to its
// hub: in the order in which the frames were sent, and after the event that says how the connection ended. On
// the loop's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop_timers.h"
#include "gateway/edge/connection_table.h"
#include "gateway/edge/event_writer.h"
#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/hub_sockets.h"
#include "gateway/edge/web_sockets.h"

namespace dormouse {

class Outbound {
 public:
  Outbound(ConnectionTable* table, const HubSockets* of_hubs, EventWriter* events, LoopTimers* timers,
           GatewayMetrics* metrics, int64_t close_timeout_ms)
      : table_(table),
        of_hubs_(of_hubs),
        events_(events),
        timers_(timers),
        metrics_(metrics),
        close_timeout_ms_(close_timeout_ms) {}

  void Deliver(const DeliveryView& delivery);
  // One text frame that the edge says by itself.
  void Reply(Connection* connection, std::string_view text);

  // Closes at the edge's own decision, and tells the hub. What waits to be written is dropped.
  void Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  // The connection ended by the client's or the network's doing: tells the hub, once.
  void Ended(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);

  // As WebSockets::Handler's: true once the close frame is to go.
  bool OnWritable(Connection* connection);
  // The record is about to be freed.
  void Forget(Connection* connection);

  uint64_t queued_bytes() const { return queued_bytes_; }

 private:
  class Recount;

  void Admit(const DeliveryView& delivery);
  void AnswerRollCall(const DeliveryView& delivery);
  void Send(Connection* connection, char* data, size_t size, bool binary, SharedFrame* shared,
            bool returnable = false);
  // A delivery that met a closing connection, or (nullptr) none.
  void Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle, std::string_view head);
  void ReturnFrames(const Connection& connection, const std::vector<SharedFrame>& frames);
  // Drops what waits; the returnable part of it goes back.
  void ClearQueue(Connection* connection);
  void CloseForHub(Connection* connection, std::string_view payload);
  void StartClosing(Connection* connection, CloseCause cause, OutboundQueue::Close close);
  void OnCrossing(Connection* connection, OutboundQueue::Crossing crossing);
  void AppendBacklog(const Connection& connection, EventKind kind);
  void PostponeGivingUp(Connection* connection);

  ConnectionTable* table_;
  const HubSockets* of_hubs_;
  EventWriter* events_;
  LoopTimers* timers_;
  GatewayMetrics* metrics_;
  const int64_t close_timeout_ms_;
  std::string scratch_;  // where frames with heads are put together
  uint64_t queued_bytes_ = 0;
};

}  // namespace dormouse
