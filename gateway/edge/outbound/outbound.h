// From hubs to sockets: what is delivered, and what the edge says by itself.
//
// What a turn of the loop has for a socket is gathered (turn_output.h) and written at the turn's end, in one
// write. Only what a socket does not take then waits in a queue of its own; bodies are kept once, for however
// many they wait.
//
// In one turn so much is written and no more, or everybody else would wait for the end of a large fan-out:
// the sockets that are left are then scheduled, with their messages queued, for the turns that follow.
//
// How connections end is another's (closing_handshake.h), as is what becomes of messages that were not
// written (returned_frames.h), or were (kept_output.h). On the loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/frames/deflater.h"
#include "gateway/edge/frames/write_batch.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/kept_output.h"
#include "gateway/edge/outbound/outbound_queues.h"
#include "gateway/edge/outbound/returned_frames.h"
#include "gateway/edge/outbound/turn_output.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

class Outbound : public WebSockets::Sender {
 public:
  // Who ends connections. Told of what is rare, never of a frame.
  class Closer {
   public:
    virtual ~Closer() = default;
    // Its close frame is with the kernel.
    virtual void OnCloseSent(Connection* connection) = 0;
    // More waits for it than the class's limit.
    virtual void OnTooSlow(Connection* connection) = 0;
    // A closing one has taken some of what comes before its close frame.
    virtual void OnProgress(Connection* connection) = 0;
  };

  // All outlive this.
  struct Parts {
    WebSockets* sockets;
    ConnectionTable* table;
    EventWriter* events;
    KeptOutput* kept;
    OutboundQueues* queues;
    ReturnedFrames* returned;
    OutboundBudget* budget;
    GatewayMetrics* metrics;
  };
  explicit Outbound(const Parts& parts) : parts_(parts), turn_(parts.budget) {}
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;
  // Before anything is sent; outlives this.
  void set_closer(Closer* closer) { closer_ = closer; }

  // A delivery of text or bytes, to any number of sockets.
  void Deliver(const DeliveryView& delivery);
  // One text frame that the edge says by itself.
  void SendText(Connection* connection, std::string_view text);
  // After all that was sent before.
  void SendControl(Connection* connection, Opcode opcode, std::string_view payload);
  // A ping's answer: the last alone, where the client does not read.
  void SendPong(Connection* connection, std::string_view payload);
  // Asks the client whether it has what was written (Unconfirmed), unless something waits for it.
  void AskForConfirmation(Connection* connection);

  // Writes what this turn has for one socket, before something ends.
  void WriteNow(Connection* connection);
  // The same without a write: it waits in the connection's queue.
  void QueueNow(Connection* connection);
  // Of a connection that is closing: its hub wants back what still waits.
  void ReturnWaiting(Connection* connection);

  // For this process's successor: nothing of a turn is left, all is in the queues of connections.
  void EndTurn() { WriteTurn(); }
  // A connection was in line to be written to, in another process.
  void RestoreSchedule(Connection* connection) { ScheduleWrite(connection); }

  // Once a turn of the loop: writes what it has brought, and for those that are scheduled. True: some still
  // are, so the next turn is not to wait for an event.
  bool OnTurnEnd();

  // WebSockets::Sender
  void OnWritable(Connection* connection) override;

 private:
  // What is written in a turn: some 5 ms of work. A write costs as much as a kilobyte by itself.
  static constexpr size_t kTurnBytes = 4u << 20;
  static constexpr size_t kWriteCost = 1024;
  // A message for more than this is compressed only where it has no heads: once for all.
  static constexpr uint32_t kFewRecipients = 16;
  // What a socket that makes others wait gets of a turn.
  static constexpr size_t kScheduledBytes = 65'536;

  // What is sent to any number of sockets, and where it is kept for them once it has to be.
  struct Payload {
    std::string_view bytes = {};
    bool is_for_one = false;
    bool is_for_few = true;  // recipients: each may have it compressed with its own head
    TurnOutput::Body body = TurnOutput::kNoBody;
    bool is_kept = false;
    TurnOutput::Body compressed = TurnOutput::kNoBody;  // without a head
    uint8_t window_bits = 0;                            // that it was compressed with; 0: that was not tried
  };
  TurnOutput::Body BodyOf(Payload* payload);
  // A message as a socket that takes compressed ones gets it; kNoBody: it is not worth it.
  TurnOutput::Body Compress(uint8_t window_bits, std::string_view head, Payload* payload);
  void Send(Connection* connection, Opcode opcode, std::string_view head, Payload* payload, bool returnable);
  void Queue(Connection* connection, OutboundQueue::Frame frame);
  // A delivery for a connection that is not open any more; nullptr: nor closing.
  void ReturnUndelivered(Connection* connection, const DeliveryView& delivery, uint64_t handle,
                         std::string_view head, Payload* payload);
  void WriteTurn();
  // What of a message list is left waits from now on.
  void QueueRest(Connection* connection, TurnOutput::Message message, size_t sent);
  // Bytes that went out, of the batch; -1: the connection is broken.
  ssize_t WriteBatchTo(Connection* connection);
  void OnSent(Connection* connection, OutboundQueue::Frame frame);
  void OnCrossing(Connection* connection, OutboundQueue::Crossing crossing);
  void TellBacklog(const Connection& connection, EventKind kind);
  // A share of what waits. Asks to be told when the socket takes more.
  void WriteQueued(Connection* connection);
  void ScheduleWrite(Connection* connection);

  const Parts parts_;
  Closer* closer_ = nullptr;
  TurnOutput turn_;
  WriteBatch batch_;
  Deflater deflater_;
  std::string scratch_;                             // what was compressed
  std::vector<OutboundQueue::Frame> sent_scratch_;  // what has just gone out whole
  size_t turn_budget_ = kTurnBytes;
  std::deque<uint64_t> scheduled_;  // handles; who was scheduled first is the first
};

}  // namespace dormouse::edge
