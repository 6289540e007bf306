// From hubs to sockets: deliveries, answers of the edge itself, and the end of connections.
//
// A frame goes straight from the memory of its batch to every socket that takes it. Only for those that do
// not take it now is it copied, once for all of them.
//
// In one turn of the loop so much is written and no more, or everybody else would wait for the end of a large
// fan-out: the sockets that are left then stand in line, with the frame queued, for the turns that follow.
//
// What waits for all sockets together is bounded. Over the bound those are closed that hold most of it for
// longest without reading; looking for them costs something for each socket that something waits for, and is
// done once for a sixteenth of the bound.
//
// A returnable frame goes back to its hub if it was not wholly handed to the library when its connection
// ended, or, where the class wants that, if its client is not known to have it by then (unconfirmed.h): in
// the order in which the frames were sent, and after the event that says how the connection ended; not more
// of a connection than the class wants. On the loop's thread.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop_timers.h"
#include "gateway/edge/connection_table.h"
#include "gateway/edge/event_writer.h"
#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/hub_sockets.h"
#include "gateway/edge/shared_bytes.h"
#include "gateway/edge/web_sockets.h"

namespace dormouse {

class Outbound {
 public:
  // All outlive this.
  Outbound(ConnectionTable* table, const HubSockets* of_hubs, EventWriter* events, LoopTimers* timers,
           OutboundBudget* budget, GatewayMetrics* metrics, int64_t close_timeout_ms)
      : table_(table),
        of_hubs_(of_hubs),
        events_(events),
        timers_(timers),
        budget_(budget),
        metrics_(metrics),
        close_timeout_ms_(close_timeout_ms) {}

  void Deliver(const DeliveryView& delivery);
  // One text frame that the edge says by itself.
  void Reply(Connection* connection, std::string_view text);

  // How long a client that is to be closed has to say that it has what was written.
  static constexpr int64_t kAnswerMs = 1'000;
  // Before a close that can wait so long. False: the client has just been asked, look again then (for one
  // that is drained the timer is set sooner, when it answers). Asks once.
  bool MayClose(Connection* connection);
  // Closes at the edge's own decision, and tells the hub. What waits to be written is dropped.
  void Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  // The connection ended by the client's or the network's doing: tells the hub, once.
  void Ended(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);

  // A whole message of the client came.
  void OnHeard(Connection* connection);
  // A pong. Its payload may be anything.
  void OnPong(Connection* connection, std::string_view payload);
  // As WebSockets::Handler's: true once the close frame is to go.
  bool OnWritable(Connection* connection);
  // The socket is closed, the record is about to be freed.
  void Gone(Connection* connection);

  // Once a turn of the loop: writes for those in line. True: some still are, so the next turn is not to wait
  // for an event.
  bool OnTurnEnd();

 private:
  // What is written in a turn: some 5 ms of work. A write costs as much as a kilobyte by itself.
  static constexpr size_t kTurnBytes = 4u << 20;
  static constexpr size_t kWriteCost = 1024;
  // A message of up to this size goes in one frame to a socket that takes it.
  static constexpr size_t kWhole = 65'536;
  static_assert(kWhole <= WebSockets::kMaxWrite);
  // What part of the memory for what waits is for what was written.
  static constexpr uint64_t kKeptPart = 4;

  void DeliverFrame(const DeliveryView& delivery);
  void Admit(const DeliveryView& delivery);
  void AnswerRollCall(const DeliveryView& delivery);
  // `*shared`: a copy of the body for whoever has to wait, made by the first that does.
  void Send(Connection* connection, const MessageParts& message, bool binary, SharedBody* shared,
            bool returnable = false);
  enum class Wrote { kWhole, kSocketFull, kTurnOver, kFailed };
  // Writes as much as the socket and the turn take, and adds that to `*sent`.
  Wrote WriteNow(Connection* connection, const MessageParts& message, bool binary, size_t* sent);
  WebSockets::Written Write(Connection* connection, const OutboundChunk& chunk);
  // A chunk's worth of what waits, `at_least` so much though the kernel may not take that. Asks to be told
  // when the socket takes more.
  void WriteSome(Connection* connection, size_t at_least = 0);
  void StandInLine(Connection* connection);
  // A delivery that met a closing connection, or (nullptr) none. `*shared`: as of Send.
  void Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle, std::string_view head,
            SharedBody* shared);
  void Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
              const SharedBody& body);
  // What was written (as `kind`) and then what was not goes back.
  void GiveBack(Connection* connection, EventKind kind, const std::vector<OutboundQueue::Frame>& waiting);
  // What has become of what was written to a socket that has just ended.
  static EventKind Written(const Connection& connection);
  // Keeps what was written, if its class wants that.
  void Keep(Connection* connection, OutboundQueue::Frame frame);
  static void Ask(Connection* connection);
  void ForgetKept(Connection* connection);
  // Drops what is kept, the oldest first.
  void DropKept();
  OutboundQueue* QueueOf(Connection* connection);
  void DropQueue(Connection* connection);
  // Drops what waits, and what was written; the returnable part of both goes back, the latter as `kind`.
  void Clear(Connection* connection, EventKind kind);
  void CloseForHub(Connection* connection, std::string_view payload);
  void StartClosing(Connection* connection, CloseCause cause, OutboundQueue::Close close);
  void OnCrossing(Connection* connection, OutboundQueue::Crossing crossing);
  void AppendBacklog(const Connection& connection, EventKind kind);
  void PostponeGivingUp(Connection* connection);
  // Makes room where too much waits.
  void KeepWithinBudget() {
    if (budget_->kept > budget_->limit / kKeptPart || budget_->memory > budget_->limit) DropKept();
    if (budget_->memory > budget_->limit) MakeRoom();
  }
  void MakeRoom();
  void GiveUp(Connection* connection);

  ConnectionTable* table_;
  const HubSockets* of_hubs_;
  EventWriter* events_;
  LoopTimers* timers_;
  OutboundBudget* budget_;
  GatewayMetrics* metrics_;
  const int64_t close_timeout_ms_;
  std::string scratch_;  // where frames with heads are put together
  size_t turn_left_ = kTurnBytes;
  std::deque<uint64_t> line_;  // handles
  absl::flat_hash_set<Connection*> with_queue_;
  std::list<Connection*> with_kept_;  // who has had something there for longest comes first
};

}  // namespace dormouse
