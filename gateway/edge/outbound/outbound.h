// From hubs to sockets: deliveries, answers of the edge itself, and the end of connections.
//
// What a turn of the loop has for a socket is gathered (turn_output.h) and written at the turn's end, in one
// write. Only what a socket does not take then waits in a queue of its own; bodies are kept once, for however
// many they wait.
//
// In one turn so much is written and no more, or everybody else would wait for the end of a large fan-out:
// the sockets that are left then stand in line, with their messages queued, for the turns that follow.
//
// What waits for all sockets together is bounded. Over the bound those are closed that hold most of it for
// longest without reading; looking for them costs something for each socket that something waits for, and is
// done once for a sixteenth of the bound.
//
// A returnable frame goes back to its hub if it was not wholly handed to the kernel when its connection
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

#include "common/loop/loop_timers.h"
#include "gateway/edge/buffers/shared_bytes.h"
#include "gateway/edge/frames/deflater.h"
#include "gateway/edge/frames/inflater.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/hubs/hub_sockets.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/turn_output.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

class Outbound {
 public:
  // All outlive this.
  Outbound(WebSockets* sockets, ConnectionTable* table, const HubSockets* of_hubs, EventWriter* events,
           LoopTimers* timers, OutboundBudget* budget, GatewayMetrics* metrics, int64_t close_timeout_ms)
      : sockets_(sockets),
        table_(table),
        of_hubs_(of_hubs),
        events_(events),
        timers_(timers),
        budget_(budget),
        metrics_(metrics),
        close_timeout_ms_(close_timeout_ms),
        turn_(budget) {}

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
  void OnPing(Connection* connection, std::string_view payload);
  // The client's close frame; kNoCloseCode: without a code.
  void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason);
  // The client broke the protocol.
  void OnProtocolError(Connection* connection, uint16_t code, std::string_view what);
  // As WebSockets::Handler's.
  void OnWritable(Connection* connection);
  // The socket is closed, the record is about to be freed.
  void Gone(Connection* connection);

  // Once a turn of the loop: writes what it has brought, and for those in line. True: some still are, so the
  // next turn is not to wait for an event.
  bool OnTurnEnd();

 private:
  // What is written in a turn: some 5 ms of work. A write costs as much as a kilobyte by itself.
  static constexpr size_t kTurnBytes = 4u << 20;
  static constexpr size_t kWriteCost = 1024;
  // A message for more than this is compressed only where it has no heads: once for all.
  static constexpr uint32_t kFew = 16;
  // How long a client that has had its close frame has to end the connection.
  static constexpr int64_t kLingerMs = 1'000;
  // What a socket that makes others wait gets of a turn.
  static constexpr size_t kShare = 65'536;
  // What part of the memory for what waits is for what was written.
  static constexpr uint64_t kKeptPart = 4;
  // And what part for that of it which clients' machines have answered for: so much comes back at once where
  // a gateway stops that serves busy clients, or their network does.
  static constexpr uint64_t kAnsweredPart = 32;

  void DeliverFrame(const DeliveryView& delivery);
  void Admit(const DeliveryView& delivery);
  void AnswerRollCall(const DeliveryView& delivery);
  // What is sent to any number of sockets, and where it is kept for them once it has to be.
  struct Payload {
    std::string_view bytes;
    bool for_few = true;  // recipients: each may have it compressed with its own head
    TurnOutput::Body body = TurnOutput::kNoBody;
    bool is_kept = false;
    TurnOutput::Body compressed = TurnOutput::kNoBody;  // without a head
    uint8_t deflate_window_bits = 0;                    // that it was compressed with; 0: that was not tried
  };
  TurnOutput::Body BodyOf(Payload* payload);
  // A message as a socket that takes compressed ones gets it; kNoBody: it is not worth it.
  TurnOutput::Body Compressed(uint8_t deflate_window_bits, std::string_view head, Payload* payload);
  // As the hub said it.
  void Decompress(OutboundQueue::Frame* frame);
  void Send(Connection* connection, Opcode opcode, std::string_view head, Payload* payload,
            bool returnable = false);
  // After all that was sent before.
  void SendControl(Connection* connection, Opcode opcode, std::string_view payload);
  void Push(Connection* connection, OutboundQueue::Frame frame);
  // Writes what this turn has for all, or for one.
  void WriteTurn();
  void WriteTurn(Connection* connection);
  // What of a message list is left waits from now on.
  void QueueRest(Connection* connection, TurnOutput::Message message, size_t sent);
  // Bytes that went out, of the batch; -1: the connection is broken.
  ssize_t WriteBatchTo(Connection* connection);
  void OnSent(Connection* connection, OutboundQueue::Frame frame);
  // A share of what waits. Asks to be told when the socket takes more.
  void WriteSome(Connection* connection);
  void StandInLine(Connection* connection);
  // A delivery that met a closing connection, or (nullptr) none.
  void Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle, std::string_view head,
            Payload* payload);
  void Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
              const SharedBody& body);
  void Return(EventKind kind, const Connection& connection, OutboundQueue::Frame frame);
  // What was written (as `kind`) and then what was not goes back.
  void GiveBack(Connection* connection, EventKind kind, const std::vector<OutboundQueue::Frame>& waiting);
  // What has become of what was written to a socket that has just ended.
  static EventKind Written(const Connection& connection);
  // Keeps what was written, if its class wants that.
  void Keep(Connection* connection, OutboundQueue::Frame frame);
  void Ask(Connection* connection);
  void ForgetKept(Connection* connection);
  // Drops what is kept, the oldest first.
  void DropKept();
  OutboundQueue* QueueOf(Connection* connection);
  void DropQueue(Connection* connection);
  // Drops what waits, and what was written; the returnable part of both goes back, the latter as `kind`.
  void Clear(Connection* connection, EventKind kind);
  void CloseForHub(Connection* connection, std::string_view payload);
  void StartClosing(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason);
  void OnCrossing(Connection* connection, OutboundQueue::Crossing crossing);
  void AppendBacklog(const Connection& connection, EventKind kind);
  // The client has had its close frame, and is not heard any more.
  void Finish(Connection* connection);
  void PostponeGivingUp(Connection* connection);
  // Makes room where too much waits.
  void KeepWithinBudget() {
    if (budget_->kept > budget_->limit / kKeptPart || budget_->answered > budget_->limit / kAnsweredPart ||
        budget_->memory > budget_->limit) {
      DropKept();
    }
    if (budget_->memory > budget_->limit) MakeRoom();
  }
  void MakeRoom();
  void GiveUp(Connection* connection);

  WebSockets* sockets_;
  ConnectionTable* table_;
  const HubSockets* of_hubs_;
  EventWriter* events_;
  LoopTimers* timers_;
  OutboundBudget* budget_;
  GatewayMetrics* metrics_;
  const int64_t close_timeout_ms_;
  TurnOutput turn_;
  WriteBatch batch_;
  Deflater deflater_;
  Inflater inflater_;
  std::string scratch_;                             // where frames with heads are put together
  std::vector<OutboundQueue::Frame> sent_scratch_;  // what has just gone out whole
  size_t turn_left_ = kTurnBytes;
  std::deque<uint64_t> line_;  // handles
  absl::flat_hash_set<Connection*> with_queue_;
  std::list<Connection*> with_kept_;  // who has had something there for longest comes first
};

}  // namespace dormouse::edge
