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
  if (connection != nullptr && connection->outbound != nullptr && (closes || returnable)) {
    ReturnFrames(*connection, connection->outbound->TakeReturnable());
  }
  if (closes || !returnable) return;
  if (delivery.payload_size >= kLongTail && *shared == nullptr) {
    *shared = std::make_shared<SharedBytes>(delivery.payload_view(), budget_);
  }
  if (*shared != nullptr) return Return(handle, delivery.return_to, head, *shared);
  scratch_.assign(head).append(delivery.payload_view());
  events_->AppendUndelivered(handle, delivery.return_to, scratch_);
}

void Outbound::Return(uint64_t handle, std::string_view hub, std::string_view head, const SharedBody& body) {
  if (body != nullptr && body->size() >= kLongTail) {
    return events_->AppendUndelivered(handle, hub, head, body->AsTail());
  }
  scratch_.assign(head).append(body == nullptr ? std::string_view() : body->view());
  events_->AppendUndelivered(handle, hub, scratch_);
}

void Outbound::ReturnFrames(const Connection& connection, const std::vector<OutboundQueue::Frame>& frames) {
  for (const OutboundQueue::Frame& frame : frames) {
    Return(connection.handle, connection.hub, frame.head, frame.body);
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

void Outbound::ClearQueue(Connection* connection) {
  if (connection->outbound != nullptr) ReturnFrames(*connection, connection->outbound->Clear());
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
    const OutboundChunk chunk = ChunkOf(message, binary, *sent, most, &scratch_);
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
        return;
      case Wrote::kFailed:
        if (!returnable) return;
        break;  // it waits for the end of the connection, which is near, and goes back then
      case Wrote::kSocketFull:
        if (!connection->closing) break;
        // This frame was one too many.
        if (returnable) Return(connection->handle, connection->hub, message.head, share());
        return;
      case Wrote::kTurnOver:
        only_the_turn = true;
        break;
    }
  }  // else, to a client that has gone, it waits for the end of the connection, and goes back then
  metrics_->deliveries_queued->Increment();
  OutboundQueue::Frame frame{.head = std::string(message.head),
                             .body = share(),
                             .binary = binary,
                             .returnable = returnable,
                             .written = sent};
  const auto crossing = QueueOf(connection)->Push(std::move(frame), MarksOf(*connection));
  if (only_the_turn) StandInLine(connection);
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
  WriteSome(connection);
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

void Outbound::WriteSome(Connection* connection) {
  OutboundQueue* queue = connection->outbound.get();
  bool buffered = false;
  size_t spent = 0;
  while (queue->has_chunk() && !buffered && spent < OutboundQueue::kChunk) {
    if (queue->next_is_returnable() && WebSockets::PeerHasGone(*connection)) return;
    const OutboundChunk chunk = queue->NextChunk(&scratch_);
    const WebSockets::Written written = Write(connection, chunk);
    if (written == WebSockets::Written::kFailed) return;
    buffered = written == WebSockets::Written::kBuffered;
    queue->ChunkWritten(buffered, SteadyMs());
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
  ClearQueue(connection);
  WebSockets::Kill(connection);
  DropQueue(connection);  // what the library has of it goes in a moment, with the socket
}

void Outbound::Close(Connection* connection, CloseCause cause, uint16_t code, std::string_view reason) {
  if (connection->closing) return;
  events_->AppendClose(*connection, code, reason);
  ClearQueue(connection);
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
  if (!connection->closing) {
    connection->closing = true;
    connection->partial.reset();
    metrics_->Closed(cause);
    events_->AppendClose(*connection, code, reason, cause == CloseCause::kClient);
    PostponeGivingUp(connection);
  }
  ClearQueue(connection);
}

void Outbound::PostponeGivingUp(Connection* connection) {
  timers_->Schedule(connection, SteadyMs() + close_timeout_ms_);
}

void Outbound::Forget(Connection* connection) { DropQueue(connection); }

}  // namespace dormouse
