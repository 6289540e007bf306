#include "gateway/edge/outbound/outbound.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {
namespace {

const OutboundWatermarks& WatermarksOf(const Connection& connection) {
  return connection.hub_class->rules().outbound;
}

}  // namespace

void Outbound::Deliver(const DeliveryView& delivery) {
  const Opcode opcode = delivery.kind == DeliveryKind::kBinary ? Opcode::kBinary : Opcode::kText;
  const bool returnable = !delivery.return_to.empty();
  Payload payload{.bytes = delivery.payload,
                  .is_for_one = delivery.recipient_count == 1,
                  .is_for_few = delivery.recipient_count <= kFewRecipients};
  size_t head_at = 0;
  uint32_t found = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const std::string_view head = delivery.heads.substr(head_at, delivery.head_size(i));
    head_at += head.size();
    Connection* connection = parts_.table->Find(delivery.recipient(i));
    if (connection == nullptr || connection->closing) {
      ReturnUndelivered(connection, delivery, delivery.recipient(i), head, &payload);
      continue;
    }
    ++found;
    Send(connection, opcode, head, &payload, returnable);
  }
  parts_.metrics->deliveries->Increment(found);
  parts_.metrics->delivery_bytes->Increment(static_cast<double>(found) *
                                            static_cast<double>(delivery.payload.size()));
  if (turn_.bytes() >= kTurnBytes) WriteTurn();
}

// What still waits for a closing connection goes before it.
void Outbound::ReturnUndelivered(Connection* connection, const DeliveryView& delivery, uint64_t handle,
                                 std::string_view head, Payload* payload) {
  if (delivery.return_to.empty()) return;
  if (connection != nullptr) ReturnWaiting(connection);
  if (delivery.payload.size() < ReturnedFrames::kLongBody) {
    return parts_.returned->Return(EventKind::kUndelivered, handle, delivery.return_to, head,
                                   delivery.payload);
  }
  parts_.returned->Return(EventKind::kUndelivered, handle, delivery.return_to, head,
                          turn_.Share(BodyOf(payload)));
}

void Outbound::ReturnWaiting(Connection* connection) {
  WriteNow(connection);
  parts_.returned->ReturnWaiting(connection, EventKind::kUndelivered);
}

void Outbound::SendText(Connection* connection, std::string_view text) {
  if (connection->closing) return;
  Payload none{.is_for_one = true};
  Send(connection, Opcode::kText, text, &none, false);
}

void Outbound::SendPong(Connection* connection, std::string_view payload) {
  if (connection->closing) return;
  if (connection->outbound_queue != nullptr) return connection->outbound_queue->PushPong(payload);
  turn_.AddOwn(connection, Opcode::kPong, payload, {}, false);
}

void Outbound::AskForConfirmation(Connection* connection) {
  if (connection->outbound_queue != nullptr || connection->closing || connection->aborted)
    return;  // at another time
  SendControl(connection, Opcode::kPing, connection->unconfirmed->MakePing());
}

TurnOutput::Body Outbound::BodyOf(Payload* payload) {
  if (!std::exchange(payload->is_kept, true)) payload->body = turn_.AddBody(payload->bytes);
  return payload->body;
}

void Outbound::Send(Connection* connection, Opcode opcode, std::string_view head, Payload* payload,
                    bool returnable) {
  TurnOutput::Body body = Compress(connection->deflate_window_bits, head, payload);
  const bool compressed = body != TurnOutput::kNoBody;
  if (compressed) {
    head = {};
  } else if (payload->is_for_one && connection->outbound_queue == nullptr &&
             head.size() + payload->bytes.size() <= TurnOutput::kMaxOwn) {
    return turn_.AddOwn(connection, opcode, head, payload->bytes, returnable);
  } else {
    body = BodyOf(payload);
  }
  if (connection->outbound_queue == nullptr)
    return turn_.Add(connection, opcode, head, body, returnable, compressed);
  parts_.metrics->deliveries_queued->Increment();
  Queue(connection, {.opcode = opcode,
                     .head = std::string(head),
                     .body = turn_.Share(body),
                     .returnable = returnable,
                     .compressed = compressed});
}

TurnOutput::Body Outbound::Compress(uint8_t window_bits, std::string_view head, Payload* payload) {
  if (window_bits == 0 || (!head.empty() && !payload->is_for_few)) return TurnOutput::kNoBody;
  if (head.empty() && payload->window_bits == window_bits) return payload->compressed;
  const std::string_view parts[] = {head, payload->bytes};
  scratch_.clear();
  const bool smaller = deflater_.Deflate(parts, window_bits, &scratch_) == Deflater::Result::kSmaller;
  const TurnOutput::Body compressed = smaller ? turn_.AddBody(scratch_) : TurnOutput::kNoBody;
  if (head.empty()) {
    payload->window_bits = window_bits;
    payload->compressed = compressed;
  }
  return compressed;
}

void Outbound::SendControl(Connection* connection, Opcode opcode, std::string_view payload) {
  if (connection->outbound_queue == nullptr) {
    return turn_.AddOwn(connection, opcode, payload, {}, false);
  }
  Queue(connection, {.opcode = opcode, .head = std::string(payload)});
}

void Outbound::Queue(Connection* connection, OutboundQueue::Frame frame) {
  const auto crossing = parts_.queues->Open(connection)->Push(std::move(frame), WatermarksOf(*connection));
  if (!connection->closing) OnCrossing(connection, crossing);
}

void Outbound::WriteTurn() {
  // Writing may bring more: a question whether what went out has come.
  for (size_t i = 0; i < turn_.sockets(); ++i) {
    if (Connection* connection = turn_.socket(i)) WriteNow(connection);
  }
  turn_.Clear();
}

void Outbound::WriteNow(Connection* connection) {
  TurnOutput::Message message = turn_.Take(connection);
  size_t sent = 0;  // of the first
  while (message != TurnOutput::kEnd && connection->outbound_queue == nullptr && turn_budget_ > 0) {
    batch_.Clear();
    bool returnable = false;
    size_t from = sent;
    for (auto next = message; next != TurnOutput::kEnd; next = turn_.Next(next), from = 0) {
      returnable = returnable || turn_.IsReturnable(next);
      if (from + turn_.AppendTo(&batch_, next, from) < turn_.wire_size(next)) break;
    }
    // To a client that has gone it is not written: it goes back at the end of the connection, which is near.
    if (returnable && WebSockets::PeerHasClosed(*connection)) return QueueRest(connection, message, sent);
    ssize_t left = WriteBatchTo(connection);
    const bool is_all = left == static_cast<ssize_t>(batch_.size());
    while (left > 0) {
      const auto missing = static_cast<ssize_t>(turn_.wire_size(message) - sent);
      if (left < missing) {
        sent += static_cast<size_t>(left);
        break;
      }
      left -= missing;
      sent = 0;
      const TurnOutput::Message whole = std::exchange(message, turn_.Next(message));
      const bool is_kept = turn_.IsReturnable(whole) && connection->hub_class->rules().kept.messages != 0;
      if (is_kept || turn_.opcode(whole) == Opcode::kClose) OnSent(connection, turn_.ToFrame(whole, 0));
    }
    if (!is_all) {
      QueueRest(connection, message, sent);
      return parts_.sockets->WantWritable(connection, true);
    }
  }
  if (message == TurnOutput::kEnd) return;
  const bool only_the_turn = connection->outbound_queue == nullptr;
  QueueRest(connection, message, sent);
  if (only_the_turn && connection->outbound_queue != nullptr) ScheduleWrite(connection);
}

void Outbound::QueueRest(Connection* connection, TurnOutput::Message message, size_t sent) {
  const bool was_closing = connection->closing;
  for (; message != TurnOutput::kEnd; message = turn_.Next(message), sent = 0) {
    OutboundQueue::Frame frame = turn_.ToFrame(message, sent);
    if (connection->closing && !was_closing) {  // the one before was one too many
      if (frame.returnable) parts_.returned->Return(EventKind::kUndelivered, *connection, std::move(frame));
      continue;
    }
    if (!IsControl(frame.opcode)) parts_.metrics->deliveries_queued->Increment();
    Queue(connection, std::move(frame));
  }
}

ssize_t Outbound::WriteBatchTo(Connection* connection) {
  turn_budget_ -= std::min(turn_budget_, batch_.size() + kWriteCost);
  parts_.metrics->writes->Increment();
  return parts_.sockets->Write(connection, batch_);
}

void Outbound::OnSent(Connection* connection, OutboundQueue::Frame frame) {
  if (frame.opcode == Opcode::kClose) {
    closer_->OnCloseSent(connection);
  } else if (!connection->closing) {
    frame.sent = 0;
    if (parts_.kept->Keep(connection, std::move(frame))) AskForConfirmation(connection);
  }
}

void Outbound::OnCrossing(Connection* connection, OutboundQueue::Crossing crossing) {
  switch (crossing) {
    case OutboundQueue::Crossing::kNone:
      break;
    case OutboundQueue::Crossing::kPause:
      TellBacklog(*connection, EventKind::kPause);
      break;
    case OutboundQueue::Crossing::kResume:
      TellBacklog(*connection, EventKind::kResume);
      break;
    case OutboundQueue::Crossing::kLimit:
      closer_->OnTooSlow(connection);
      break;
  }
}

void Outbound::TellBacklog(const Connection& connection, EventKind kind) {
  const Backlog waiting =
      connection.outbound_queue == nullptr ? Backlog{} : connection.outbound_queue->waiting();
  parts_.events->Append(connection, kind, BacklogPayload(waiting));
}

void Outbound::OnWritable(Connection* connection) {
  if (connection->outbound_queue == nullptr) return parts_.sockets->WantWritable(connection, false);
  if (turn_budget_ == 0 || !scheduled_.empty()) return ScheduleWrite(connection);
  WriteQueued(connection);
}

void Outbound::ScheduleWrite(Connection* connection) {
  if (std::exchange(connection->outbound_queue->write_scheduled, true)) return;
  scheduled_.push_back(connection->handle);
  parts_.sockets->WantWritable(connection, false);
}

bool Outbound::OnTurnEnd() {
  WriteTurn();
  turn_budget_ = kTurnBytes;
  // The other half is for what the next turn brings.
  while (!scheduled_.empty() && turn_budget_ > kTurnBytes / 2) {
    Connection* connection = parts_.table->Find(scheduled_.front());
    scheduled_.pop_front();
    if (connection == nullptr || connection->outbound_queue == nullptr) continue;
    connection->outbound_queue->write_scheduled = false;
    WriteQueued(connection);
  }
  return !scheduled_.empty() || turn_.sockets() > 0;  // the last of a line may have brought more to say
}

void Outbound::WriteQueued(Connection* connection) {
  OutboundQueue* queue = connection->outbound_queue.get();
  batch_.Clear();
  const bool returnable = queue->Gather(&batch_, kScheduledBytes);
  // A client that has gone may have said so: that is to be read before the error that a write would bring.
  if ((returnable || !connection->reading_paused) && WebSockets::PeerHasClosed(*connection)) {
    return parts_.sockets->WantWritable(connection, false);
  }
  const ssize_t sent = WriteBatchTo(connection);
  if (sent < 0) return parts_.sockets->WantWritable(connection, false);
  sent_scratch_.clear();
  queue->Sent(static_cast<size_t>(sent), SteadyMs(), &sent_scratch_);
  if (connection->closing && sent > 0) closer_->OnProgress(connection);
  const OutboundQueue::Crossing crossing = queue->CheckResume(WatermarksOf(*connection));
  parts_.sockets->WantWritable(connection, !queue->empty());
  if (queue->empty()) parts_.queues->Remove(connection);
  for (OutboundQueue::Frame& frame : sent_scratch_) OnSent(connection, std::move(frame));
  if (!connection->closing) OnCrossing(connection, crossing);
}

void Outbound::QueueNow(Connection* connection) { QueueRest(connection, turn_.Take(connection), 0); }

}  // namespace dormouse::edge
