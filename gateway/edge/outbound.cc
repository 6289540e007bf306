#include "gateway/edge/outbound.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/edge_rules.h"

namespace dormouse {
namespace {

// Also who reads takes nothing for so long: the kernel says so once a good part of its buffer is free.
constexpr int64_t kUsuallyStillMs = 1000;
// Of a frame that is written because the socket takes something, however little.
constexpr size_t kLeast = 512;
// From this size on the end of a message goes back to its hub without a copy of it.
constexpr size_t kLongTail = 1024;

const OutboundMarks& MarksOf(const Connection& connection) { return connection.hub_class->rules().outbound; }

// Codes that may be in a close frame.
bool IsSendable(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

void Outbound::Admit(const DeliveryView& delivery) {
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    // Its timer finds out.
    if (Connection* connection = table_->Find(delivery.recipient(i))) {
      connection->admit_by_ms = 0;
      connection->SetRole(delivery.payload_view());
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
  const bool binary = delivery.kind == DeliveryKind::kBinary;
  const bool returnable = !delivery.return_to.empty();
  SharedBody shared;
  size_t head_at = 0;
  uint32_t found = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const std::string_view head = delivery.heads.substr(head_at, delivery.head_size(i));
    head_at += head.size();
    Connection* connection = table_->Find(delivery.recipient(i));
    if (connection == nullptr || connection->closing) {
      Miss(connection, delivery, delivery.recipient(i), head, &shared);
      continue;
    }
    if (closes) {
      CloseForHub(connection, delivery.payload_view());
      continue;
    }
    ++found;
    Send(connection, {head, delivery.payload, delivery.payload_size}, binary, &shared, returnable);
  }
  metrics_->deliveries->Increment(found);
  metrics_->delivery_bytes->Increment(static_cast<double>(found) *
                                      static_cast<double>(delivery.payload_size));
}

void Outbound::Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle,
                    std::string_view head, SharedBody* shared) {
  const bool closes = delivery.kind == DeliveryKind::kClose;
  const bool returnable = !delivery.return_to.empty();
  // Its hub wants back what still waits (a close of what it has closed), or else that would come back behind
  // this frame.
  if (connection != nullptr && (closes || returnable)) {
    GiveBack(connection, EventKind::kUndelivered,
             connection->outbound == nullptr ? std::vector<OutboundQueue::Frame>()
                                             : connection->outbound->TakeReturnable());
  }
  if (closes || !returnable) return;
  if (delivery.payload_size >= kLongTail && *shared == nullptr) {
    *shared = std::make_shared<SharedBytes>(delivery.payload_view(), budget_);
  }
  if (*shared != nullptr) {
    return Return(EventKind::kUndelivered, handle, delivery.return_to, head, *shared);
  }
  scratch_.assign(head).append(delivery.payload_view());
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

void Outbound::GiveBack(Connection* connection, EventKind kind,
                        const std::vector<OutboundQueue::Frame>& waiting) {
  const KeptBounds& bounds = connection->hub_class->rules().kept;
  size_t messages = 0;
  size_t bytes = 0;
  uint64_t more = 0;  // than fits
  const auto give = [&](const OutboundQueue::Frame& frame, EventKind how) {
    ++messages;
    bytes += frame.size();
    if (more > 0 || (bounds.messages != 0 && (messages > bounds.messages || bytes > bounds.bytes))) {
      ++more;
    } else {
      Return(how, connection->handle, connection->hub, frame.head, frame.body);
    }
  };
  if (connection->unconfirmed != nullptr) {
    const uint64_t lost = connection->unconfirmed->lost();
    const std::vector<OutboundQueue::Frame> written = connection->unconfirmed->Take();
    ForgetKept(connection);
    if (lost > 0) {
      events_->AppendLost(*connection,
                          {.count = lost, .older = true, .unconfirmed = kind == EventKind::kUnconfirmed});
    }
    for (const OutboundQueue::Frame& frame : written) give(frame, kind);
  }
  for (const OutboundQueue::Frame& frame : waiting) give(frame, EventKind::kUndelivered);
  if (more > 0) events_->AppendLost(*connection, {.count = more});
}

// A client that ends the connection, on a path that has brought everything to its machine, has most likely
// got it. If nobody was heard, it has most likely not.
EventKind Outbound::Written(const Connection& connection) {
  return connection.killed || WebSockets::HasBuffered(connection) ||
                 WebSockets::Unacknowledged(connection) > 0
             ? EventKind::kUndelivered
             : EventKind::kUnconfirmed;
}

// --- What was written, and may not be with the client.

void Outbound::Keep(Connection* connection, OutboundQueue::Frame frame) {
  const KeptBounds& bounds = connection->hub_class->rules().kept;
  if (bounds.messages == 0) return;
  if (connection->unconfirmed == nullptr) {
    connection->unconfirmed = std::make_unique<Unconfirmed>(budget_);
    connection->unconfirmed->place = with_kept_.insert(with_kept_.end(), connection);
  }
  if (connection->unconfirmed->Keep(std::move(frame), bounds, SteadyMs())) Ask(connection);
}

void Outbound::Ask(Connection* connection) {
  if (WebSockets::HasBuffered(*connection) || connection->killed) return;  // at another time
  WebSockets::Ping(connection, connection->unconfirmed->Ask());
}

void Outbound::OnHeard(Connection* connection) {
  if (connection->unconfirmed != nullptr && connection->unconfirmed->IsDue(SteadyMs())) Ask(connection);
}

bool Outbound::MayClose(Connection* connection) {
  if (connection->unconfirmed == nullptr || connection->asked_last) return true;
  connection->asked_last = true;
  Ask(connection);
  return false;
}

void Outbound::OnPong(Connection* connection, std::string_view payload) {
  if (connection->unconfirmed == nullptr || !connection->unconfirmed->Answer(payload, SteadyMs())) return;
  if (connection->asked_last && connection->draining) {
    timers_->Schedule(connection, SteadyMs());
  } else {
    connection->asked_last = false;
  }
  if (connection->unconfirmed->empty()) {
    ForgetKept(connection);
  } else {
    with_kept_.splice(with_kept_.end(), with_kept_, connection->unconfirmed->place);
  }
}

void Outbound::ForgetKept(Connection* connection) {
  if (connection->unconfirmed == nullptr) return;
  with_kept_.erase(connection->unconfirmed->place);
  connection->unconfirmed.reset();
}

void Outbound::DropKept() {
  const uint64_t enough = budget_->limit - budget_->limit / 16;
  for (size_t left = with_kept_.size();
       left > 0 && (budget_->kept > enough / kKeptPart || budget_->memory > enough); --left) {
    with_kept_.front()->unconfirmed->Drop();
    with_kept_.splice(with_kept_.end(), with_kept_, with_kept_.begin());
  }
}

OutboundQueue* Outbound::QueueOf(Connection* connection) {
  if (connection->outbound == nullptr) {
    connection->outbound = std::make_unique<OutboundQueue>(budget_, SteadyMs());
    with_queue_.insert(connection);
  }
  return connection->outbound.get();
}

void Outbound::DropQueue(Connection* connection) {
  if (connection->outbound == nullptr) return;
  with_queue_.erase(connection);
  connection->outbound.reset();
}

void Outbound::Clear(Connection* connection, EventKind kind) {
  GiveBack(
      connection, kind,
      connection->outbound == nullptr ? std::vector<OutboundQueue::Frame>() : connection->outbound->Clear());
}

void Outbound::Reply(Connection* connection, std::string_view text) {
  if (connection->closing) return;
  SharedBody none;
  Send(connection, {.head = text}, false, &none);
  KeepWithinBudget();
}

WebSockets::Written Outbound::Write(Connection* connection, const OutboundChunk& chunk) {
  turn_left_ -= std::min(turn_left_, chunk.size + kWriteCost);
  return WebSockets::Write(connection, chunk.data, chunk.size, chunk.binary, chunk.first, chunk.last);
}

Outbound::Wrote Outbound::WriteNow(Connection* connection, const MessageParts& message, bool binary,
                                   size_t* sent) {
  const size_t most = message.size() <= kWhole ? kWhole : OutboundQueue::kChunk;
  while (turn_left_ > 0) {
    const size_t wanted = std::max<size_t>(std::min(most, message.size() - *sent), 1);
    const size_t room = WebSockets::Room(connection, wanted);
    if (room == 0) return Wrote::kSocketFull;
    const OutboundChunk chunk = ChunkOf(message, binary, *sent, room, &scratch_);
    const WebSockets::Written written = Write(connection, chunk);
    if (written == WebSockets::Written::kFailed) return Wrote::kFailed;
    *sent += chunk.size;
    if (written == WebSockets::Written::kBuffered) {
      OnCrossing(connection, QueueOf(connection)->Buffered(chunk.size, MarksOf(*connection)));
      return chunk.last ? Wrote::kWhole : Wrote::kSocketFull;
    }
    if (chunk.last) return Wrote::kWhole;
  }
  return Wrote::kTurnOver;
}

void Outbound::Send(Connection* connection, const MessageParts& message, bool binary, SharedBody* shared,
                    bool returnable) {
  size_t sent = 0;
  bool only_the_turn = false;
  const auto share = [&]() -> const SharedBody& {
    if (*shared == nullptr && message.body_size > 0) {
      *shared = std::make_shared<SharedBytes>(std::string_view(message.body, message.body_size), budget_);
    }
    return *shared;
  };
  if (connection->outbound == nullptr && turn_left_ == 0) {
    only_the_turn = true;
  } else if (connection->outbound == nullptr && !(returnable && WebSockets::PeerHasGone(*connection))) {
    switch (WriteNow(connection, message, binary, &sent)) {
      case Wrote::kWhole:
        if (returnable && !connection->closing && connection->hub_class->rules().kept.messages != 0) {
          Keep(connection, {.head = std::string(message.head), .body = share()});
        }
        return;
      case Wrote::kFailed:
        if (!returnable) return;
        break;  // it waits for the end of the connection, which is near, and goes back then
      case Wrote::kSocketFull:
        if (!connection->closing) break;
        // This frame was one too many.
        if (returnable) {
          Return(EventKind::kUndelivered, connection->handle, connection->hub, message.head, share());
        }
        return;
      case Wrote::kTurnOver:
        only_the_turn = true;
        break;
    }
  }  // else, to a client that has gone, it waits for the end of the connection, and goes back then
  metrics_->deliveries_queued->Increment();
  const bool is_first = connection->outbound == nullptr;
  OutboundQueue::Frame frame{.head = std::string(message.head),
                             .body = share(),
                             .binary = binary,
                             .returnable = returnable,
                             .written = sent};
  const auto crossing = QueueOf(connection)->Push(std::move(frame), MarksOf(*connection));
  if (only_the_turn) {
    StandInLine(connection);
  } else if (is_first) {
    WebSockets::WantWritable(connection);
  }
  OnCrossing(connection, crossing);
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
  const Backlog waiting = connection.outbound == nullptr ? Backlog{} : connection.outbound->waiting();
  events_->Append(connection, kind, BacklogPayload(waiting));
}

bool Outbound::OnWritable(Connection* connection) {
  if (connection->outbound == nullptr || connection->close_sent) return false;
  connection->outbound->Flushed(SteadyMs());
  if (connection->outbound->has_chunk() && (turn_left_ == 0 || !line_.empty())) {
    StandInLine(connection);
    return false;
  }
  // A client that has gone may have said so: that is to be read before the error that a write would bring.
  if (!connection->IsHeld() && WebSockets::PeerHasGone(*connection)) return false;
  WriteSome(connection, kLeast);
  const OutboundQueue* queue = connection->outbound.get();
  if (!connection->closing || queue == nullptr || queue->bytes() > 0 || queue->has_chunk()) return false;
  if (!queue->close().has_value()) return false;
  WebSockets::CloseNow(connection, queue->close()->code, queue->close()->reason);
  connection->close_sent = true;
  return true;
}

void Outbound::StandInLine(Connection* connection) {
  if (!std::exchange(connection->outbound->in_line, true)) line_.push_back(connection->handle);
}

bool Outbound::OnTurnEnd() {
  turn_left_ = kTurnBytes;
  // The other half is for what the next turn brings.
  while (!line_.empty() && turn_left_ > kTurnBytes / 2) {
    Connection* connection = table_->Find(line_.front());
    line_.pop_front();
    if (connection == nullptr || connection->outbound == nullptr || connection->close_sent) continue;
    connection->outbound->in_line = false;
    if (WebSockets::HasBuffered(*connection)) continue;  // OnWritable comes
    WriteSome(connection);
    if (connection->closing) WebSockets::WantWritable(connection);
  }
  return !line_.empty();
}

void Outbound::WriteSome(Connection* connection, size_t at_least) {
  OutboundQueue* queue = connection->outbound.get();
  bool buffered = false;
  size_t spent = 0;
  while (queue->has_chunk() && !buffered && spent < OutboundQueue::kChunk) {
    if (queue->next_is_returnable() && WebSockets::PeerHasGone(*connection)) return;
    const size_t room = WebSockets::Room(connection, OutboundQueue::kChunk);
    if (room == 0 && at_least == 0) break;
    const OutboundChunk chunk = queue->NextChunk(&scratch_, std::max(room, std::exchange(at_least, 0)));
    const WebSockets::Written written = Write(connection, chunk);
    if (written == WebSockets::Written::kFailed) return;
    buffered = written == WebSockets::Written::kBuffered;
    if (auto whole = queue->ChunkWritten(buffered, SteadyMs(), chunk.size))
      Keep(connection, *std::move(whole));
    spent += chunk.size + kWriteCost;
  }
  if (connection->closing && spent > 0) PostponeGivingUp(connection);
  if (queue->has_chunk() && !buffered) WebSockets::WantWritable(connection);
  const OutboundQueue::Crossing crossing = queue->Settle(MarksOf(*connection));
  if (queue->idle()) DropQueue(connection);
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
    const OutboundQueue& queue = *connection->outbound;
    const auto still_ms = static_cast<uint64_t>(now - queue.still_since_ms() + kUsuallyStillMs);
    holders.push_back(
        {static_cast<unsigned>(std::bit_width(queue.Held() * still_ms)), queue.oldest_body(), connection});
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
  Clear(connection, EventKind::kUndelivered);
  WebSockets::Kill(connection);
  DropQueue(connection);  // what the library has of it goes in a moment, with the socket
}

void Outbound::Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason) {
  if (connection->closing) return;
  events_->AppendClose(*connection, code, reason);
  // What was written waits for how the connection ends, unless something goes back that comes after it.
  if (connection->outbound != nullptr && connection->outbound->has_chunk()) {
    Clear(connection, EventKind::kUndelivered);
  }
  StartClosing(connection, cause, {code, std::string(reason)});
}

void Outbound::CloseForHub(Connection* connection, std::string_view payload) {
  CloseView close;
  ReadClosePayload(payload, &close);
  StartClosing(connection, CloseCause::kHub,
               {IsSendable(close.code) ? close.code : uint16_t{1000}, std::string(close.reason)});
}

void Outbound::StartClosing(Connection* connection, CloseCause cause, OutboundQueue::Close close) {
  connection->closing = true;
  metrics_->Closed(cause);
  connection->partial.reset();
  QueueOf(connection)->SetClose(std::move(close));
  if (connection->IsHeld()) WebSockets::SetReading(connection, true);  // to see the client's close frame
  PostponeGivingUp(connection);
  WebSockets::WantWritable(connection);
}

void Outbound::Ended(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason) {
  if (connection->closing) return;
  connection->closing = true;
  connection->partial.reset();
  metrics_->Closed(cause);
  events_->AppendClose(*connection, code, reason, cause == CloseCause::kClient);
  PostponeGivingUp(connection);
  // It has taken its leave, and what it had got with it.
  if (cause == CloseCause::kClient && (code == 1000 || code == 1005)) ForgetKept(connection);
  Clear(connection, Written(*connection));
}

void Outbound::Gone(Connection* connection) {
  Ended(connection, CloseCause::kBroken, 1006, {});
  Clear(connection, Written(*connection));
  DropQueue(connection);
}

void Outbound::PostponeGivingUp(Connection* connection) {
  timers_->Schedule(connection, SteadyMs() + close_timeout_ms_);
}

}  // namespace dormouse
