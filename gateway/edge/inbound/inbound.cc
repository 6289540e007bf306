#include "gateway/edge/inbound/inbound.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/frames/utf8.h"

namespace dormouse::edge {
namespace {

// A window takes two of the largest messages, and this at least.
constexpr uint64_t kMinWindowBytes = 64u << 10;
// Answers of the edge that wait for a client which does not read them. No event of its hub is among them.
constexpr uint8_t kMaxPendingAnswers = 100;

RateLimitViolations* ViolationsOf(Connection* connection) {
  if (connection->rate_violations == nullptr)
    connection->rate_violations = std::make_unique<RateLimitViolations>();
  return connection->rate_violations.get();
}

// The same when it is forwarded and when it is settled.
uint32_t BytesOf(std::string_view hub, std::string_view message) {
  return static_cast<uint32_t>(hub.size() + message.size());
}

}  // namespace

void Inbound::OnOpen(Connection* connection, std::string_view open_request) {
  connection->last_seen_ms = SteadyMs();
  Forward(connection, EventKind::kOpen, open_request);
}

void Inbound::OnPiece(Connection* connection, const FrameReader::Step& piece) {
  DispatchPending(connection);  // of what came before, where this was read with it
  if (connection->closing) return;
  if (piece.first) connection->partial.reset();
  if (piece.last) connection->last_seen_ms = SteadyMs();
  std::unique_ptr<PartialMessage>& partial = connection->partial;
  const EdgeRules& rules = connection->hub_class->rules();
  const uint64_t size = (partial == nullptr ? 0 : partial->size()) + piece.data.size();
  const uint64_t announced = size + piece.remaining;  // it only grows from piece to piece
  const bool oversized = announced > rules.max_message_size;
  if (announced > 4 * rules.max_message_size || (oversized && !rules.has_too_large_reply())) {
    parts_.metrics->oversized->Increment();
    parts_.out->closing.Close(connection, CloseCause::kTooLarge, 1009, "Message too large");
    return;
  }
  if (piece.last && oversized) {
    const std::unique_ptr<PartialMessage> message = std::move(partial);
    const std::string head = message == nullptr ? std::string() : message->Take();
    OnOversized(connection, message == nullptr ? piece.data : head, size);
    return;
  }
  if (piece.last && partial == nullptr) {
    OnMessage(connection, piece.data, {piece.binary, piece.compressed});
    return;
  }
  if (partial == nullptr)
    partial = std::make_unique<PartialMessage>(parts_.budget, connection->handle, SteadyMs());
  if (oversized) {
    partial->Skip(piece.data, SteadyMs());
  } else if (AppendToPartial(connection, piece.data) && piece.last) {
    OnComplete(connection, {piece.binary, piece.compressed});
  }
}

void Inbound::OnPing(Connection* connection, std::string_view payload) {
  connection->last_seen_ms = SteadyMs();
  parts_.out->outbound.SendPong(connection, payload);
}

void Inbound::OnPong(Connection* connection, std::string_view payload) {
  connection->last_seen_ms = SteadyMs();
  if (parts_.out->kept.OnPong(connection, payload)) parts_.out->closing.OnConfirmed(connection);
}

void Inbound::OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) {
  connection->last_seen_ms = SteadyMs();
  DispatchPending(connection);
  parts_.out->closing.OnPeerClose(connection, code, reason);
}

void Inbound::OnProtocolError(Connection* connection, uint16_t code, std::string_view what) {
  DispatchPending(connection);
  parts_.out->closing.OnProtocolError(connection, code, what);
}

void Inbound::OnComplete(Connection* connection, MessageType type) {
  if (complete_.empty() && turn_budget_ > 0) return Dispatch(connection, type);
  connection->awaits_dispatch = true;
  parts_.sockets->SetReading(connection, false);
  complete_.push_back({connection->handle, type});
}

void Inbound::Dispatch(Connection* connection, MessageType type) {
  const std::string message = connection->partial->Take();
  connection->partial.reset();
  turn_budget_ -= std::min(turn_budget_, message.size());
  OnMessage(connection, message, type);
}

void Inbound::DispatchPending(Connection* connection) {
  if (!connection->awaits_dispatch) return;
  const auto found = std::ranges::find(complete_, connection->handle, &Complete::handle);
  const MessageType type = found->type;
  complete_.erase(found);
  connection->awaits_dispatch = false;
  if (!connection->closing) Dispatch(connection, type);
  ResumeReading(connection);
}

bool Inbound::OnTurnEnd() {
  while (!complete_.empty() && turn_budget_ > 0)
    DispatchPending(parts_.table->Find(complete_.front().handle));
  turn_budget_ = kTurnBytes;
  return !complete_.empty();
}

// Where there is no memory left, those are closed that cost most. False: this one is one of them.
bool Inbound::AppendToPartial(Connection* connection, std::string_view piece) {
  const int64_t now = SteadyMs();
  while (!connection->partial->Append(piece, now)) {
    const PartialMessage* costliest = parts_.budget->Costliest(now);
    Connection* owner = costliest == nullptr ? connection : parts_.table->Find(costliest->owner());
    parts_.out->closing.Close(owner, CloseCause::kPartialsFull, 1013, "Too many unfinished messages");
    if (owner == connection) return false;
  }
  return true;
}

TemplateValues Inbound::Values(const Connection& connection) const {
  return {.connection_id = ConnectionId{gateway_, connection.handle}.ToString(), .now_ms = WallMs()};
}

void Inbound::OnOversized(Connection* connection, std::string_view head, uint64_t size) {
  parts_.metrics->oversized->Increment();
  if (!MayReply(connection)) return;
  TemplateValues values = Values(*connection);
  values.actual_size = size;
  if (const auto reply = connection->hub_class->rules().TooLargeReply(head, values))
    Answer(connection, *reply);
}

// False: the message is over the rate limit (and that has been said).
bool Inbound::IsWithinRateLimit(Connection* connection, std::string_view message) {
  const EdgeRules& rules = connection->hub_class->rules();
  const RateLimit& limit = rules.RateLimitOf(connection->role.get());
  if (limit.rate <= 0) return true;
  if (!connection->rate_exemption_used && rules.IsRateExempt(message)) {
    connection->rate_exemption_used = true;
    return true;
  }
  if (connection->rate_limiter.TryAcquire(limit.rate, limit.burst, connection->last_seen_ms)) return true;
  OnRateLimited(connection, message, limit.rate);
  return false;
}

void Inbound::OnRateLimited(Connection* connection, std::string_view message, double rate) {
  parts_.metrics->rate_limited->Increment();
  if (ViolationsOf(connection)->Record(rate, connection->last_seen_ms)) {
    parts_.out->closing.Close(connection, CloseCause::kRateLimit, 1008, "Far over the rate limit");
    return;
  }
  if (!MayReply(connection)) return;
  TemplateValues values = Values(*connection);
  values.rate_limit = rate;
  values.retry_after_ms = connection->rate_limiter.RetryAfterMs(rate);
  const EdgeRules& rules = connection->hub_class->rules();
  if (const auto reply = rules.RateLimitedReply(message, values)) Answer(connection, *reply);
}

// Whether the client is told of a message that was dropped.
bool Inbound::MayReply(Connection* connection) {
  if (ViolationsOf(connection)->MayReply(connection->last_seen_ms)) return true;
  parts_.metrics->answers_dropped->Increment();
  return false;
}

// What the edge says by itself. A client that does not read is not told everything.
void Inbound::Answer(Connection* connection, std::string_view text) {
  if (connection->outbound_queue == nullptr) connection->pending_answers = 0;
  if (connection->pending_answers >= kMaxPendingAnswers) {
    parts_.metrics->answers_dropped->Increment();
    return;
  }
  parts_.out->outbound.SendText(connection, text);
  parts_.out->memory.Enforce();
  if (connection->outbound_queue != nullptr) ++connection->pending_answers;
}

void Inbound::OnMessage(Connection* connection, std::string_view message, MessageType type) {
  if (type.compressed) return OnCompressed(connection, message, type.binary);
  OnText(connection, message, type.binary);
}

// Its size is what it stands for.
void Inbound::OnCompressed(Connection* connection, std::string_view compressed, bool binary) {
  const EdgeRules& rules = connection->hub_class->rules();
  std::string message;
  switch (inflater_.Inflate(compressed, rules.max_message_size * (rules.has_too_large_reply() ? 4 : 1),
                            &message)) {
    case Inflater::Result::kOk:
      break;
    case Inflater::Result::kTooLarge:
      parts_.metrics->oversized->Increment();
      return parts_.out->closing.Close(connection, CloseCause::kTooLarge, 1009, "Message too large");
    case Inflater::Result::kCorrupt:
      return parts_.out->closing.Close(connection, CloseCause::kProtocolError, 1007,
                                       "This cannot be decompressed");
  }
  if (!binary && !IsValidUtf8(message)) {
    return parts_.out->closing.Close(connection, CloseCause::kInvalidUtf8, 1007, "Text must be UTF-8");
  }
  if (message.size() > rules.max_message_size) return OnOversized(connection, message, message.size());
  OnText(connection, message, binary);
}

void Inbound::OnText(Connection* connection, std::string_view message, bool binary) {
  if (parts_.out->kept.OnMessage(connection)) parts_.out->outbound.AskForConfirmation(connection);
  if (!IsWithinRateLimit(connection, message)) return;
  const EdgeRules& rules = connection->hub_class->rules();
  // Who has not been let in hears of the hub alone what he may do.
  std::optional<std::string> answer;
  if (connection->admission_deadline_ms == 0) {
    const std::string* reply = binary ? nullptr : connection->answer.ReplyTo(message);
    if (reply != nullptr) {
      answer = *reply;
      connection->answered_ms = WallMs();
    } else if (!binary || rules.binary_is_text()) {
      answer = rules.AutoResponse(message, [&] { return Values(*connection); });
    }
  }
  if (answer.has_value()) {
    parts_.metrics->auto_responses->Increment();
    Answer(connection, *answer);
  } else {
    Forward(connection, binary ? EventKind::kBinary : EventKind::kText, message);
  }
}

void Inbound::Forward(Connection* connection, EventKind kind, std::string_view message) {
  const bool was_backpressured = connection->IsBackpressured();
  const StatekeeperLinks::AppendResult result = parts_.events->Append(*connection, kind, message);
  if (kind != EventKind::kOpen && result != StatekeeperLinks::AppendResult::kTooLarge) {
    ++connection->unsettled;
    connection->unsettled_bytes += BytesOf(connection->hub, message);
    if (!connection->window_full && IsWindowUsed(*connection, 1)) {
      connection->window_full = true;
      parts_.metrics->windows_full->Increment();
    }
  }
  if (result == StatekeeperLinks::AppendResult::kCongested && !connection->congested) {
    connection->congested = true;
    congested_.push_back(connection->handle);
    parts_.metrics->congested->Set(static_cast<double>(congested_.size()));
  }
  if (connection->IsBackpressured() && !was_backpressured) parts_.sockets->SetReading(connection, false);
}

// Whether the 1/part-th of its window is in use.
bool Inbound::IsWindowUsed(const Connection& connection, uint32_t part) const {
  const uint64_t bytes = std::max(2 * connection.hub_class->rules().max_message_size, kMinWindowBytes);
  return connection.unsettled >= std::max(window_ / part, 1u) || connection.unsettled_bytes >= bytes / part;
}

void Inbound::OnSettled(const EventView& event) {
  if (event.kind != EventKind::kText && event.kind != EventKind::kBinary) return;
  Connection* connection = parts_.table->Find(event.connection);
  if (connection == nullptr) return;
  --connection->unsettled;
  connection->unsettled_bytes -= BytesOf(event.hub, event.payload);
  // Not at the first message: a socket at its limit would be stopped and started for each.
  if (!connection->window_full || IsWindowUsed(*connection, 2)) return;
  connection->window_full = false;
  ResumeReading(connection);
}

void Inbound::OnUncongested() {
  // What is read again may be congested again at once: it goes into a new list.
  for (const uint64_t handle : std::exchange(congested_, {})) {
    Connection* connection = parts_.table->Find(handle);
    if (connection == nullptr || connection->closing) continue;
    if (parts_.events->IsCongested(*connection)) {
      congested_.push_back(handle);
    } else {
      connection->congested = false;
      ResumeReading(connection);
    }
  }
  parts_.metrics->congested->Set(static_cast<double>(congested_.size()));
}

void Inbound::SavePending(const Connection& connection, takeover::Partial* to) const {
  const auto found = std::ranges::find(complete_, connection.handle, &Complete::handle);
  if (found == complete_.end()) return;
  to->set_binary(found->type.binary);
  to->set_compressed(found->type.compressed);
}

void Inbound::Restore(Connection* connection, const takeover::Partial& from) {
  if (connection->awaits_dispatch)
    complete_.push_back({connection->handle, {.binary = from.binary(), .compressed = from.compressed()}});
  if (connection->congested) congested_.push_back(connection->handle);
}

// Where nothing speaks against it any more.
void Inbound::ResumeReading(Connection* connection) {
  if (connection->closing || connection->IsBackpressured()) return;
  if (connection->partial != nullptr) connection->partial->Restart(SteadyMs());
  parts_.sockets->SetReading(connection, true);
}

}  // namespace dormouse::edge
