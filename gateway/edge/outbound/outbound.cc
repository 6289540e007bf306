#include "gateway/edge/outbound/outbound.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/frames/close_frame.h"
#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {
namespace {

// Also who reads takes nothing for so long: the kernel says so once a good part of its buffer is free.
constexpr int64_t kUsuallyStillMs = 1000;
// From this size on the end of a message goes back to its hub without a copy of it.
constexpr size_t kLongTail = 1024;

const OutboundWatermarks& MarksOf(const Connection& connection) {
  return connection.hub_class->rules().outbound;
}

}  // namespace

void Outbound::Admit(const DeliveryView& delivery) {
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    // Its timer finds out.
    if (Connection* connection = table_->Find(delivery.recipient(i))) {
      connection->admission_deadline_ms = 0;
      connection->SetRole(delivery.payload);
    }
  }
}

// A close whose own event is still on its way is said twice; the second changes nothing.
void Outbound::AnswerRollCall(const DeliveryView& delivery) {
  const std::string_view hub = delivery.return_to;
  size_t named = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const Connection* connection = table_->Find(delivery.recipient(i));
    if (connection != nullptr && !connection->closing && connection->hub == hub) {
      ++named;
    } else {
      events_->AppendAbsent(delivery.recipient(i), hub);
    }
  }
  size_t open = 0;
  of_hubs_->ForEach(hub, [&](const Connection* connection) { open += connection->closing ? 0 : 1; });
  if (open == named) return;
  absl::flat_hash_set<uint64_t> known;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) known.insert(delivery.recipient(i));
  of_hubs_->ForEach(hub, [&](const Connection* connection) {
    if (!connection->closing && !known.contains(connection->handle)) {
      events_->Append(*connection, EventKind::kPresent);
    }
  });
}

void Outbound::Deliver(const DeliveryView& delivery) {
  switch (delivery.kind) {
    case DeliveryKind::kAdmit:
      return Admit(delivery);
    case DeliveryKind::kRollCall:
      return AnswerRollCall(delivery);
    case DeliveryKind::kText:
    case DeliveryKind::kBinary:
    case DeliveryKind::kClose:
      DeliverFrame(delivery);
      return KeepWithinBudget();
    case DeliveryKind::kFence:
      return;
  }  // else of a later version
}

void Outbound::DeliverFrame(const DeliveryView& delivery) {
  const bool closes = delivery.kind == DeliveryKind::kClose;
  const Opcode opcode = delivery.kind == DeliveryKind::kBinary ? Opcode::kBinary : Opcode::kText;
  const bool returnable = !delivery.return_to.empty();
  Payload payload{.bytes = delivery.payload, .for_few = delivery.recipient_count <= kFew};
  size_t head_at = 0;
  uint32_t found = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const std::string_view head = delivery.heads.substr(head_at, delivery.head_size(i));
    head_at += head.size();
    Connection* connection = table_->Find(delivery.recipient(i));
    if (connection == nullptr || connection->closing) {
      Miss(connection, delivery, delivery.recipient(i), head, &payload);
      continue;
    }
    if (closes) {
      CloseForHub(connection, delivery.payload);
      continue;
    }
    ++found;
    Send(connection, opcode, head, &payload, returnable);
  }
  metrics_->deliveries->Increment(found);
  metrics_->delivery_bytes->Increment(static_cast<double>(found) *
                                      static_cast<double>(delivery.payload.size()));
  if (turn_.bytes() >= kTurnBytes) WriteTurn();
}

void Outbound::Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle,
                    std::string_view head, Payload* payload) {
  const bool closes = delivery.kind == DeliveryKind::kClose;
  const bool returnable = !delivery.return_to.empty();
  // Its hub wants back what still waits (a close of what it has closed), or else that would come back behind
  // this frame.
  if (connection != nullptr && (closes || returnable)) {
    WriteTurn(connection);
    GiveBack(connection, EventKind::kUndelivered,
             connection->outbound_queue == nullptr ? std::vector<OutboundQueue::Frame>()
                                                   : connection->outbound_queue->TakeReturnable());
  }
  if (closes || !returnable) return;
  if (delivery.payload.size() >= kLongTail) {
    return Return(EventKind::kUndelivered, handle, delivery.return_to, head, turn_.Share(BodyOf(payload)));
  }
  scratch_.assign(head).append(delivery.payload);
  events_->AppendReturn(EventKind::kUndelivered, handle, delivery.return_to, scratch_);
}

void Outbound::Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
                      const SharedBody& body) {
  if (body != nullptr && body->size() >= kLongTail) {
    return events_->AppendReturn(kind, handle, hub, head, body->AsTail());
  }
  scratch_.assign(head).append(body == nullptr ? std::string_view() : body->view());
  events_->AppendReturn(kind, handle, hub, scratch_);
}

void Outbound::Return(EventKind kind, const Connection& connection, OutboundQueue::Frame frame) {
  if (frame.compressed) Decompress(&frame);
  Return(kind, connection.handle, connection.hub, frame.head, frame.body);
}

void Outbound::GiveBack(Connection* connection, EventKind kind,
                        const std::vector<OutboundQueue::Frame>& waiting) {
  const KeptOutputLimits& bounds = connection->hub_class->rules().kept;
  size_t messages = 0;
  size_t bytes = 0;
  uint64_t more = 0;  // than fits
  const auto give = [&](const OutboundQueue::Frame& frame, EventKind how) {
    ++messages;
    bytes += frame.size();
    if (more > 0 || (bounds.messages != 0 && (messages > bounds.messages || bytes > bounds.bytes))) {
      ++more;
    } else {
      Return(how, *connection, frame);
    }
  };
  if (connection->unconfirmed != nullptr) {
    const Unconfirmed::Taken written = connection->unconfirmed->Take(SteadyMs());
    const auto say_lost = [&](uint64_t count, EventKind how) {
      if (count == 0) return;
      events_->AppendLost(*connection,
                          {.count = count, .older = true, .unconfirmed = how == EventKind::kUnconfirmed});
    };
    say_lost(written.lost_answered, EventKind::kUnconfirmed);
    say_lost(written.lost_unanswered, kind);
    ForgetKept(connection);
    for (size_t i = 0; i < written.frames.size(); ++i) {
      give(written.frames[i], i < written.answered ? EventKind::kUnconfirmed : kind);
    }
  }
  // The rest of a frame that was begun still goes out, unless all is over: its client may have it then.
  const bool is_over = connection->aborted || !ev_is_active(&connection->io);
  for (const OutboundQueue::Frame& frame : waiting) {
    give(frame, frame.IsEnding() && !is_over ? EventKind::kUnconfirmed : EventKind::kUndelivered);
  }
  if (more > 0) events_->AppendLost(*connection, {.count = more});
}

// A client that ends the connection, on a path that has brought everything to its machine, has most likely
// got it. If nobody was heard, it has most likely not.
EventKind Outbound::Written(const Connection& connection) {
  const bool begun = connection.outbound_queue != nullptr && connection.outbound_queue->mid_message();
  return connection.aborted || begun || WebSockets::UnacknowledgedBytes(connection) > 0
             ? EventKind::kUndelivered
             : EventKind::kUnconfirmed;
}

// --- What was written, and may not be with the client.

void Outbound::Keep(Connection* connection, OutboundQueue::Frame frame) {
  const KeptOutputLimits& bounds = connection->hub_class->rules().kept;
  if (bounds.messages == 0) return;
  if (connection->unconfirmed == nullptr) {
    connection->unconfirmed = std::make_unique<Unconfirmed>(budget_);
    connection->unconfirmed->place = with_kept_.insert(with_kept_.end(), connection);
  }
  if (connection->unconfirmed->Add(std::move(frame), bounds, SteadyMs())) Ask(connection);
}

void Outbound::Ask(Connection* connection) {
  if (connection->outbound_queue != nullptr || connection->closing || connection->aborted)
    return;  // at another time
  SendControl(connection, Opcode::kPing, connection->unconfirmed->MakePing());
}

void Outbound::OnHeard(Connection* connection) {
  if (connection->unconfirmed == nullptr) return;
  if (connection->unconfirmed->OnMessage(SteadyMs())) Ask(connection);
  if (connection->unconfirmed->empty()) ForgetKept(connection);
}

bool Outbound::MayClose(Connection* connection) {
  if (connection->unconfirmed == nullptr || !connection->unconfirmed->HasUnanswered() ||
      connection->final_ping_sent) {
    return true;
  }
  connection->final_ping_sent = true;
  Ask(connection);
  return false;
}

void Outbound::OnPong(Connection* connection, std::string_view payload) {
  if (connection->unconfirmed == nullptr || !connection->unconfirmed->OnPong(payload, SteadyMs())) return;
  if (connection->final_ping_sent && connection->draining) {
    timers_->Schedule(connection, SteadyMs());
  } else {
    connection->final_ping_sent = false;
  }
  with_kept_.splice(with_kept_.end(), with_kept_, connection->unconfirmed->place);
}

void Outbound::ForgetKept(Connection* connection) {
  if (connection->unconfirmed == nullptr) return;
  with_kept_.erase(connection->unconfirmed->place);
  connection->unconfirmed.reset();
}

void Outbound::DropKept() {
  const uint64_t most_answered = budget_->limit / kAnsweredPart;
  const uint64_t most_kept = budget_->limit / kKeptPart;
  const auto less = [](uint64_t most) { return most - most / 16; };
  // First what clients have most likely got, of those who have most of it: what is a little stays.
  if (budget_->answered > most_answered) {
    const uint64_t share = most_answered / with_kept_.size();
    for (const Connection* connection : with_kept_) {
      if (connection->unconfirmed->answered_memory() > share) connection->unconfirmed->DropAnsweredButLast();
    }
  }
  const auto drop = [this](void (Unconfirmed::*what)(), const auto& is_enough) {
    for (size_t left = with_kept_.size(); left > 0 && !is_enough(); --left) {
      (with_kept_.front()->unconfirmed.get()->*what)();
      with_kept_.splice(with_kept_.end(), with_kept_, with_kept_.begin());
    }
  };
  const auto all_is_enough = [&] {
    return budget_->kept <= less(most_kept) && budget_->memory <= less(budget_->limit);
  };
  drop(&Unconfirmed::DropAnswered,
       [&] { return budget_->answered <= less(most_answered) && all_is_enough(); });
  drop(&Unconfirmed::Drop, all_is_enough);
}

OutboundQueue* Outbound::QueueOf(Connection* connection) {
  if (connection->outbound_queue == nullptr) {
    connection->outbound_queue = std::make_unique<OutboundQueue>(budget_, SteadyMs());
    with_queue_.insert(connection);
  }
  return connection->outbound_queue.get();
}

void Outbound::DropQueue(Connection* connection) {
  if (connection->outbound_queue == nullptr) return;
  with_queue_.erase(connection);
  connection->outbound_queue.reset();
}

void Outbound::Clear(Connection* connection, EventKind kind) {
  GiveBack(connection, kind,
           connection->outbound_queue == nullptr ? std::vector<OutboundQueue::Frame>()
                                                 : connection->outbound_queue->Clear());
}

void Outbound::Reply(Connection* connection, std::string_view text) {
  if (connection->closing) return;
  Payload none;
  Send(connection, Opcode::kText, text, &none);
  KeepWithinBudget();
}

TurnOutput::Body Outbound::BodyOf(Payload* payload) {
  if (!std::exchange(payload->is_kept, true)) payload->body = turn_.AddBody(payload->bytes);
  return payload->body;
}

void Outbound::Send(Connection* connection, Opcode opcode, std::string_view head, Payload* payload,
                    bool returnable) {
  TurnOutput::Body body = Compressed(connection->deflate_window_bits, head, payload);
  const bool compressed = body != TurnOutput::kNoBody;
  if (compressed) {
    head = {};
  } else {
    body = BodyOf(payload);
  }
  if (connection->outbound_queue == nullptr)
    return turn_.Add(connection, opcode, head, body, returnable, compressed);
  metrics_->deliveries_queued->Increment();
  Push(connection, {.opcode = opcode,
                    .head = std::string(head),
                    .body = turn_.Share(body),
                    .returnable = returnable,
                    .compressed = compressed});
}

TurnOutput::Body Outbound::Compressed(uint8_t deflate_window_bits, std::string_view head, Payload* payload) {
  if (deflate_window_bits == 0 || (!head.empty() && !payload->for_few)) return TurnOutput::kNoBody;
  if (head.empty() && payload->deflate_window_bits == deflate_window_bits) return payload->compressed;
  const std::string_view parts[] = {head, payload->bytes};
  scratch_.clear();
  const bool smaller = deflater_.Deflate(parts, deflate_window_bits, &scratch_) == Deflater::Result::kSmaller;
  const TurnOutput::Body compressed = smaller ? turn_.AddBody(scratch_) : TurnOutput::kNoBody;
  if (head.empty()) {
    payload->deflate_window_bits = deflate_window_bits;
    payload->compressed = compressed;
  }
  return compressed;
}

void Outbound::Decompress(OutboundQueue::Frame* frame) {
  frame->head.clear();
  inflater_.Inflate(frame->body->view(), SIZE_MAX, &frame->head);  // it is our own
  frame->body.reset();
  frame->compressed = false;
}

void Outbound::SendControl(Connection* connection, Opcode opcode, std::string_view payload) {
  if (connection->outbound_queue == nullptr) {
    return turn_.Add(connection, opcode, payload, TurnOutput::kNoBody, false);
  }
  Push(connection, {.opcode = opcode, .head = std::string(payload)});
}

void Outbound::Push(Connection* connection, OutboundQueue::Frame frame) {
  const auto crossing = QueueOf(connection)->Push(std::move(frame), MarksOf(*connection));
  if (!connection->closing) OnCrossing(connection, crossing);
}

void Outbound::WriteTurn() {
  // Writing may bring more: a question whether what went out has come.
  for (size_t i = 0; i < turn_.sockets(); ++i) {
    if (Connection* connection = turn_.socket(i)) WriteTurn(connection);
  }
  turn_.Clear();
}

void Outbound::WriteTurn(Connection* connection) {
  TurnOutput::Message message = turn_.Take(connection);
  size_t sent = 0;  // of the first
  while (message != TurnOutput::kEnd && connection->outbound_queue == nullptr && turn_left_ > 0) {
    batch_.Clear();
    bool returnable = false;
    size_t from = sent;
    for (auto next = message; next != TurnOutput::kEnd; next = turn_.Next(next), from = 0) {
      const WireMessage wire = turn_.Wire(next);
      returnable = returnable || turn_.IsReturnable(next);
      if (from + wire.AppendTo(&batch_, from, wire.wire_size()) < wire.wire_size()) break;
    }
    // To a client that has gone it is not written: it goes back at the end of the connection, which is near.
    if (returnable && WebSockets::PeerHasClosed(*connection)) return QueueRest(connection, message, sent);
    ssize_t left = WriteBatchTo(connection);
    const bool is_all = left == static_cast<ssize_t>(batch_.size());
    while (left > 0) {
      const auto missing = static_cast<ssize_t>(turn_.Wire(message).wire_size() - sent);
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
      return sockets_->WantWritable(connection, true);
    }
  }
  if (message == TurnOutput::kEnd) return;
  const bool only_the_turn = connection->outbound_queue == nullptr;
  QueueRest(connection, message, sent);
  if (only_the_turn && connection->outbound_queue != nullptr) StandInLine(connection);
}

void Outbound::QueueRest(Connection* connection, TurnOutput::Message message, size_t sent) {
  const bool was_closing = connection->closing;
  for (; message != TurnOutput::kEnd; message = turn_.Next(message), sent = 0) {
    OutboundQueue::Frame frame = turn_.ToFrame(message, sent);
    if (connection->closing && !was_closing) {  // the one before was one too many
      if (frame.returnable) Return(EventKind::kUndelivered, *connection, std::move(frame));
      continue;
    }
    if (!IsControl(frame.opcode)) metrics_->deliveries_queued->Increment();
    Push(connection, std::move(frame));
  }
}

ssize_t Outbound::WriteBatchTo(Connection* connection) {
  turn_left_ -= std::min(turn_left_, batch_.size() + kWriteCost);
  metrics_->writes->Increment();
  return sockets_->Write(connection, batch_);
}

void Outbound::OnSent(Connection* connection, OutboundQueue::Frame frame) {
  if (frame.opcode == Opcode::kClose) {
    connection->close_sent = true;
    if (connection->input_ignored) Finish(connection);
  } else if (!connection->closing) {
    frame.sent = 0;
    Keep(connection, std::move(frame));
  }
}

void Outbound::OnCrossing(Connection* connection, OutboundQueue::Crossing crossing) {
  switch (crossing) {
    case OutboundQueue::Crossing::kNone:
      break;
    case OutboundQueue::Crossing::kPause:
      AppendBacklog(*connection, EventKind::kPause);
      break;
    case OutboundQueue::Crossing::kResume:
      AppendBacklog(*connection, EventKind::kResume);
      break;
    case OutboundQueue::Crossing::kLimit:
      Close(connection, CloseCause::kSlowConsumer, 1013, "Too slow");
      break;
  }
}

void Outbound::AppendBacklog(const Connection& connection, EventKind kind) {
  const Backlog waiting =
      connection.outbound_queue == nullptr ? Backlog{} : connection.outbound_queue->waiting();
  events_->Append(connection, kind, BacklogPayload(waiting));
}

void Outbound::OnWritable(Connection* connection) {
  if (connection->outbound_queue == nullptr) return sockets_->WantWritable(connection, false);
  if (turn_left_ == 0 || !line_.empty()) return StandInLine(connection);
  WriteSome(connection);
}

void Outbound::StandInLine(Connection* connection) {
  if (std::exchange(connection->outbound_queue->write_scheduled, true)) return;
  line_.push_back(connection->handle);
  sockets_->WantWritable(connection, false);
}

bool Outbound::OnTurnEnd() {
  WriteTurn();
  turn_left_ = kTurnBytes;
  // The other half is for what the next turn brings.
  while (!line_.empty() && turn_left_ > kTurnBytes / 2) {
    Connection* connection = table_->Find(line_.front());
    line_.pop_front();
    if (connection == nullptr || connection->outbound_queue == nullptr) continue;
    connection->outbound_queue->write_scheduled = false;
    WriteSome(connection);
  }
  return !line_.empty() || turn_.sockets() > 0;  // the last of a line may have brought more to say
}

void Outbound::WriteSome(Connection* connection) {
  OutboundQueue* queue = connection->outbound_queue.get();
  batch_.Clear();
  const bool returnable = queue->Gather(&batch_, kShare);
  // A client that has gone may have said so: that is to be read before the error that a write would bring.
  if ((returnable || !connection->reading_paused) && WebSockets::PeerHasClosed(*connection)) {
    return sockets_->WantWritable(connection, false);
  }
  const ssize_t sent = WriteBatchTo(connection);
  if (sent < 0) return sockets_->WantWritable(connection, false);
  sent_scratch_.clear();
  queue->Sent(static_cast<size_t>(sent), SteadyMs(), &sent_scratch_);
  if (connection->closing && sent > 0) PostponeGivingUp(connection);
  const OutboundQueue::Crossing crossing = queue->CheckResume(MarksOf(*connection));
  sockets_->WantWritable(connection, !queue->empty());
  if (queue->empty()) DropQueue(connection);
  for (OutboundQueue::Frame& frame : sent_scratch_) OnSent(connection, std::move(frame));
  if (!connection->closing) OnCrossing(connection, crossing);
}

// What a socket holds back weighs by the time that it has been doing so, in powers of two: among equals those
// go who wait for the oldest bytes, since shared ones are free only when nobody waits for them any more.
void Outbound::MakeRoom() {
  struct Holder {
    unsigned weight;
    uint64_t oldest;
    Connection* connection;
  };
  std::vector<Holder> holders;
  holders.reserve(with_queue_.size());
  const int64_t now = SteadyMs();
  for (Connection* connection : with_queue_) {
    const OutboundQueue& queue = *connection->outbound_queue;
    const auto still_ms = static_cast<uint64_t>(now - queue.stalled_since_ms() + kUsuallyStillMs);
    holders.push_back({static_cast<unsigned>(std::bit_width(queue.MemoryShare() * still_ms)),
                       queue.oldest_body(), connection});
  }
  const auto goes_later = [](const Holder& a, const Holder& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.oldest > b.oldest;
  };
  std::ranges::make_heap(holders, goes_later);
  const uint64_t enough = budget_->limit - budget_->limit / 16;
  while (budget_->memory > enough && !holders.empty()) {
    GiveUp(holders.front().connection);
    std::ranges::pop_heap(holders, goes_later);
    holders.pop_back();
  }
}

void Outbound::GiveUp(Connection* connection) {
  if (!connection->closing) return Close(connection, CloseCause::kOutboundFull, 1013, "Too slow");
  // It has had its time to take what comes before the close.
  sockets_->Abort(connection);
  Clear(connection, EventKind::kUndelivered);
  DropQueue(connection);
}

void Outbound::Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason) {
  if (connection->closing) return;
  WriteTurn(connection);
  if (connection->closing) return;
  events_->AppendClose(*connection, code, reason);
  // What was written waits for how the connection ends, unless something goes back that comes after it.
  if (connection->outbound_queue != nullptr) Clear(connection, EventKind::kUndelivered);
  // What comes after a message that may not be is not waited for, nor the answer behind it.
  if (cause == CloseCause::kTooLarge || cause == CloseCause::kInvalidUtf8 ||
      cause == CloseCause::kProtocolError) {
    connection->input_ignored = true;
  }
  StartClosing(connection, cause, code, reason);
}

void Outbound::CloseForHub(Connection* connection, std::string_view payload) {
  CloseView close;
  ReadClosePayload(payload, &close);
  StartClosing(connection, CloseCause::kHub, IsCloseCode(close.code) ? close.code : uint16_t{1000},
               close.reason);
}

void Outbound::StartClosing(Connection* connection, CloseCause cause, uint16_t code,
                            std::string_view reason) {
  connection->closing = true;
  metrics_->Closed(cause);
  connection->partial.reset();
  SendControl(connection, Opcode::kClose, CloseFramePayload(code, reason));
  sockets_->SetReading(connection, true);  // to see the client's close frame
  PostponeGivingUp(connection);
}

void Outbound::OnPing(Connection* connection, std::string_view payload) {
  if (connection->closing) return;
  if (connection->outbound_queue != nullptr) return connection->outbound_queue->PushPong(payload);
  turn_.Add(connection, Opcode::kPong, payload, TurnOutput::kNoBody, false);
}

void Outbound::OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) {
  if (connection->closing) {
    if (connection->close_sent) Finish(connection);
    return;
  }
  Ended(connection, CloseCause::kClient, code, reason);
  SendControl(connection, Opcode::kClose, CloseFramePayload(code, reason));
}

void Outbound::OnProtocolError(Connection* connection, uint16_t code, std::string_view what) {
  if (connection->close_sent) return Finish(connection);
  Close(connection, code == 1007 ? CloseCause::kInvalidUtf8 : CloseCause::kProtocolError, code, what);
}

void Outbound::Ended(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason) {
  if (connection->closing) return;
  WriteTurn(connection);
  if (connection->closing) return;
  connection->closing = true;
  connection->partial.reset();
  metrics_->Closed(cause);
  events_->AppendClose(*connection, code, reason, cause == CloseCause::kClient);
  PostponeGivingUp(connection);
  // It has taken its leave, and what it had got with it.
  if (cause == CloseCause::kClient && (code == 1000 || code == kNoCloseCode)) ForgetKept(connection);
  Clear(connection, Written(*connection));
}

void Outbound::Gone(Connection* connection) {
  QueueRest(connection, turn_.Take(connection), 0);
  Ended(connection, CloseCause::kBroken, kBrokenCloseCode, {});
  Clear(connection, Written(*connection));
  DropQueue(connection);
}

void Outbound::Finish(Connection* connection) {
  sockets_->Finish(connection);
  timers_->Schedule(connection, SteadyMs() + std::min(kLingerMs, close_timeout_ms_));
}

void Outbound::PostponeGivingUp(Connection* connection) {
  timers_->Schedule(connection, SteadyMs() + close_timeout_ms_);
}

}  // namespace dormouse::edge
