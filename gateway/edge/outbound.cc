#include "gateway/edge/outbound.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/edge_rules.h"

namespace dormouse {
namespace {

OutboundQueue* QueueOf(Connection* connection) {
  if (connection->outbound == nullptr) connection->outbound = std::make_unique<OutboundQueue>();
  return connection->outbound.get();
}

const OutboundMarks& MarksOf(const Connection& connection) { return connection.hub_class->rules().outbound; }

// Codes that may be in a close frame.
bool IsSendable(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

// Keeps the sum of all queues right across a change of one.
class Outbound::Recount {
 public:
  Recount(Outbound* outbound, const Connection* connection)
      : outbound_(outbound), connection_(connection), before_(Bytes()) {}
  ~Recount() { outbound_->queued_bytes_ += Bytes() - before_; }

 private:
  uint64_t Bytes() const { return connection_->outbound == nullptr ? 0 : connection_->outbound->bytes(); }
  Outbound* outbound_;
  const Connection* connection_;
  uint64_t before_;
};

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
  if (delivery.kind == DeliveryKind::kAdmit) return Admit(delivery);
  if (delivery.kind == DeliveryKind::kRollCall) return AnswerRollCall(delivery);
  const bool closes = delivery.kind == DeliveryKind::kClose;
  const bool binary = delivery.kind == DeliveryKind::kBinary;
  const bool returnable = !delivery.return_to.empty();
  if (!closes && !binary && delivery.kind != DeliveryKind::kText) return;  // of a later version
  SharedFrame shared;
  size_t head_at = 0;
  uint32_t found = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const std::string_view head = delivery.heads.substr(head_at, delivery.head_size(i));
    head_at += head.size();
    Connection* connection = table_->Find(delivery.recipient(i));
    if (connection == nullptr || connection->closing) {
      Miss(connection, delivery, delivery.recipient(i), head);
      continue;
    }
    if (closes) {
      CloseForHub(connection, delivery.payload_view());
      continue;
    }
    ++found;
    if (head.empty()) {
      Send(connection, delivery.payload, delivery.payload_size, binary, &shared, returnable);
    } else {
      scratch_.assign(kFrameHeadroom, '\0');
      scratch_.append(head).append(delivery.payload_view());
      SharedFrame own;
      Send(connection, scratch_.data() + kFrameHeadroom, scratch_.size() - kFrameHeadroom, binary, &own,
           returnable);
    }
  }
  metrics_->deliveries->Increment(found);
  metrics_->delivery_bytes->Increment(static_cast<double>(found) *
                                      static_cast<double>(delivery.payload_size));
}

void Outbound::Miss(Connection* connection, const DeliveryView& delivery, uint64_t handle,
                    std::string_view head) {
  const bool closes = delivery.kind == DeliveryKind::kClose;
  const bool returnable = !delivery.return_to.empty();
  // Its hub wants back what still waits (a close of what it has closed), or else that would come back behind
  // this frame.
  if (connection != nullptr && connection->outbound != nullptr && (closes || returnable)) {
    const Recount recount(this, connection);
    ReturnFrames(*connection, connection->outbound->TakeReturnable());
  }
  if (closes || !returnable) return;
  if (head.empty()) return events_->AppendUndelivered(handle, delivery.return_to, delivery.payload_view());
  scratch_.assign(head).append(delivery.payload_view());
  events_->AppendUndelivered(handle, delivery.return_to, scratch_);
}

void Outbound::ReturnFrames(const Connection& connection, const std::vector<SharedFrame>& frames) {
  for (const SharedFrame& frame : frames) {
    const std::string_view text = *frame;
    events_->AppendUndelivered(connection.handle, connection.hub, text.substr(kFrameHeadroom));
  }
}

void Outbound::ClearQueue(Connection* connection) {
  if (connection->outbound == nullptr) return;
  const Recount recount(this, connection);
  ReturnFrames(*connection, connection->outbound->Clear());
}

void Outbound::Reply(Connection* connection, std::string_view text) {
  if (connection->closing) return;
  scratch_.assign(kFrameHeadroom, '\0');
  scratch_.append(text);
  SharedFrame own;
  Send(connection, scratch_.data() + kFrameHeadroom, text.size(), false, &own);
}

// `*shared`: a copy of the same bytes for whoever has to wait, made by the first that does.
void Outbound::Send(Connection* connection, char* data, size_t size, bool binary, SharedFrame* shared,
                    bool returnable) {
  size_t sent = 0;
  // To a client that has gone it waits for the end of the connection, and goes back then.
  const bool pointless = returnable && WebSockets::PeerHasGone(*connection);
  if (connection->outbound == nullptr && !pointless) {
    WebSockets::Written written = WebSockets::Written::kSent;
    do {
      const size_t chunk = std::min(size - sent, OutboundQueue::kChunk);
      written = WebSockets::Write(connection, data + sent, chunk, binary, sent == 0, sent + chunk == size);
      if (written == WebSockets::Written::kFailed) {
        if (!returnable) return;
        break;  // it waits for the end of the connection, which is near, and goes back then
      }
      sent += chunk;
      if (written == WebSockets::Written::kBuffered) {
        OutboundQueue::Crossing crossing;
        {
          const Recount recount(this, connection);
          crossing = QueueOf(connection)->Buffered(chunk, MarksOf(*connection));
        }
        OnCrossing(connection, crossing);
      }
    } while (sent < size && written == WebSockets::Written::kSent);
    if (written == WebSockets::Written::kSent) return;
    if (written == WebSockets::Written::kBuffered && sent == size) return;
    if (connection->closing) {  // this frame was one too many
      if (returnable) events_->AppendUndelivered(connection->handle, connection->hub, {data, size});
      return;
    }
  }
  if (*shared == nullptr) *shared = NewSharedFrame({data, size});
  metrics_->deliveries_queued->Increment();
  OutboundQueue::Crossing crossing;
  {
    const Recount recount(this, connection);
    crossing = QueueOf(connection)->Push(*shared, binary, sent, MarksOf(*connection), returnable);
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
  OutboundQueue* queue = connection->outbound.get();
  if (queue == nullptr || connection->close_sent) return false;
  OutboundQueue::Crossing crossing;
  {
    const Recount recount(this, connection);
    queue->Flushed();
    bool buffered = false;
    while (queue->has_chunk() && !buffered) {
      const OutboundQueue::Chunk chunk = queue->NextChunk();
      const WebSockets::Written written =
          WebSockets::Write(connection, chunk.data, chunk.size, chunk.binary, chunk.first, chunk.last);
      if (written == WebSockets::Written::kFailed) return false;
      buffered = written == WebSockets::Written::kBuffered;
      queue->ChunkWritten(buffered);
      if (connection->closing) PostponeGivingUp(connection);
    }
    crossing = queue->Settle(MarksOf(*connection));
    if (queue->idle()) connection->outbound.reset();
    if (buffered) queue = nullptr;
  }
  if (!connection->closing) {
    OnCrossing(connection, crossing);
    return false;
  }
  if (queue == nullptr || connection->outbound == nullptr || !queue->close().has_value()) return false;
  WebSockets::CloseNow(connection, queue->close()->code, queue->close()->reason);
  connection->close_sent = true;
  return true;
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

void Outbound::Forget(Connection* connection) {
  const Recount recount(this, connection);
  connection->outbound.reset();
}

}  // namespace dormouse
