#include "gateway/edge/inbound.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/frames/utf8.h"

namespace dormouse {
namespace {

// A window takes two of the largest messages, and this at least.
constexpr uint64_t kMinWindowBytes = 64u << 10;
// Answers of the edge that wait for a client which does not read them. No event of its hub is among them.
constexpr uint8_t kMaxWaitingAnswers = 100;

OverLimit* OverLimitOf(Connection* connection) {
  if (connection->over_limit == nullptr) connection->over_limit = std::make_unique<OverLimit>();
  return connection->over_limit.get();
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
  OnEnd(connection);  // of what came before, where this was read with it
  if (connection->closing) return;
  if (piece.first) connection->partial.reset();
  if (piece.last) connection->last_seen_ms = SteadyMs();
  std::unique_ptr<PartialMessage>& partial = connection->partial;
  const EdgeRules& rules = connection->hub_class->rules();
  const uint64_t size = (partial == nullptr ? 0 : partial->size()) + piece.data.size();
  const uint64_t announced = size + piece.remaining;  // it only grows from piece to piece
  const bool oversized = announced > rules.max_message_size;
  if (announced > 4 * rules.max_message_size || (oversized && !rules.has_too_large_reply())) {
    metrics_->oversized->Increment();
    outbound_->Close(connection, CloseCause::kTooLarge, 1009, "Message too large");
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
  if (partial == nullptr) partial = std::make_unique<PartialMessage>(budget_, connection->handle, SteadyMs());
  if (oversized) {
    partial->Skip(piece.data, SteadyMs());
  } else if (AppendToPartial(connection, piece.data) && piece.last) {
    OnWhole(connection, {piece.binary, piece.compressed});
  }
}

void Inbound::OnWhole(Connection* connection, Form form) {
  if (whole_.empty() && turn_left_ > 0) return HandOn(connection, form);
  connection->whole = true;
  sockets_->SetReading(connection, false);
  whole_.push_back({connection->handle, form});
}

void Inbound::HandOn(Connection* connection, Form form) {
  const std::string message = connection->partial->Take();
  connection->partial.reset();
  turn_left_ -= std::min(turn_left_, message.size());
  OnMessage(connection, message, form);
}

void Inbound::OnEnd(Connection* connection) {
  if (!connection->whole) return;
  const auto found = std::ranges::find(whole_, connection->handle, &Whole::handle);
  const Form form = found->form;
  whole_.erase(found);
  connection->whole = false;
  if (!connection->closing) HandOn(connection, form);
  ReadAgain(connection);
}

bool Inbound::OnTurnEnd() {
  while (!whole_.empty() && turn_left_ > 0) OnEnd(table_->Find(whole_.front().handle));
  turn_left_ = kTurnBytes;
  return !whole_.empty();
}

// Where there is no memory left, those are closed that cost most. False: this one is one of them.
bool Inbound::AppendToPartial(Connection* connection, std::string_view piece) {
  const int64_t now = SteadyMs();
  while (!connection->partial->Append(piece, now)) {
    const PartialMessage* costliest = budget_->Costliest(now);
    Connection* owner = costliest == nullptr ? connection : table_->Find(costliest->owner());
    outbound_->Close(owner, CloseCause::kPartialsFull, 1013, "Too many unfinished messages");
    if (owner == connection) return false;
  }
  return true;
}

TemplateValues Inbound::Values(const Connection& connection) const {
  return {.connection_id = ConnectionId{gateway_, connection.handle}.ToString(), .now_ms = WallMs()};
}

void Inbound::OnOversized(Connection* connection, std::string_view head, uint64_t size) {
  metrics_->oversized->Increment();
  if (!MayTell(connection)) return;
  TemplateValues values = Values(*connection);
  values.actual_size = size;
  if (const auto reply = connection->hub_class->rules().TooLargeReply(head, values))
    Answer(connection, *reply);
}

// False: the message is over the rate limit (and that has been said).
bool Inbound::TakeToken(Connection* connection, std::string_view message) {
  const EdgeRules& rules = connection->hub_class->rules();
  const RateLimit& limit = rules.RateLimitOf(connection->role.get());
  if (limit.rate <= 0) return true;
  if (!connection->exempted && rules.IsRateExempt(message)) {
    connection->exempted = true;
    return true;
  }
  if (connection->rate.Take(limit.rate, limit.burst, connection->last_seen_ms)) return true;
  OnOverLimit(connection, message, limit.rate);
  return false;
}

void Inbound::OnOverLimit(Connection* connection, std::string_view message, double rate) {
  metrics_->rate_limited->Increment();
  if (OverLimitOf(connection)->IsTooMuch(rate, connection->last_seen_ms)) {
    outbound_->Close(connection, CloseCause::kRateLimit, 1008, "Far over the rate limit");
    return;
  }
  if (!MayTell(connection)) return;
  TemplateValues values = Values(*connection);
  values.rate_limit = rate;
  values.retry_after_ms = connection->rate.RetryAfterMs(rate);
  const EdgeRules& rules = connection->hub_class->rules();
  if (const auto reply = rules.RateLimitedReply(message, values)) Answer(connection, *reply);
}

// Whether the client is told of a message that was dropped.
bool Inbound::MayTell(Connection* connection) {
  if (OverLimitOf(connection)->MayTell(connection->last_seen_ms)) return true;
  metrics_->answers_dropped->Increment();
  return false;
}

// What the edge says by itself. A client that does not read is not told everything.
void Inbound::Answer(Connection* connection, std::string_view text) {
  if (connection->outbound == nullptr) connection->waiting_answers = 0;
  if (connection->waiting_answers >= kMaxWaitingAnswers) {
    metrics_->answers_dropped->Increment();
    return;
  }
  outbound_->Reply(connection, text);
  if (connection->outbound != nullptr) ++connection->waiting_answers;
}

void Inbound::OnMessage(Connection* connection, std::string_view message, Form form) {
  if (form.compressed) return OnCompressed(connection, message, form.binary);
  OnText(connection, message, form.binary);
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
      metrics_->oversized->Increment();
      return outbound_->Close(connection, CloseCause::kTooLarge, 1009, "Message too large");
    case Inflater::Result::kCorrupt:
      return outbound_->Close(connection, CloseCause::kProtocolError, 1007, "This cannot be decompressed");
  }
  if (!binary && !IsValidUtf8(message)) {
    return outbound_->Close(connection, CloseCause::kInvalidUtf8, 1007, "Text must be UTF-8");
  }
  if (message.size() > rules.max_message_size) return OnOversized(connection, message, message.size());
  OnText(connection, message, binary);
}

void Inbound::OnText(Connection* connection, std::string_view message, bool binary) {
  outbound_->OnHeard(connection);
  if (!TakeToken(connection, message)) return;
  const EdgeRules& rules = connection->hub_class->rules();
  // Who has not been let in hears of the hub alone what he may do.
  std::optional<std::string> answer;
  if (connection->admit_by_ms == 0 && (!binary || rules.binary_is_text())) {
    answer = rules.AutoResponse(message, [&] { return Values(*connection); });
  }
  if (answer.has_value()) {
    metrics_->auto_responses->Increment();
    Answer(connection, *answer);
  } else {
    Forward(connection, binary ? EventKind::kBinary : EventKind::kText, message);
  }
}

void Inbound::Forward(Connection* connection, EventKind kind, std::string_view message) {
  const bool was_held = connection->IsHeld();
  const StatekeeperLinks::AppendResult result = events_->Append(*connection, kind, message);
  if (kind != EventKind::kOpen && result != StatekeeperLinks::AppendResult::kTooLarge) {
    ++connection->unsettled;
    connection->unsettled_bytes += BytesOf(connection->hub, message);
    if (!connection->window_full && IsWindowUsed(*connection, 1)) {
      connection->window_full = true;
      metrics_->windows_full->Increment();
    }
  }
  if (result == StatekeeperLinks::AppendResult::kCongested && !connection->congested) {
    connection->congested = true;
    congested_.push_back(connection->handle);
    metrics_->congested->Set(static_cast<double>(congested_.size()));
  }
  if (connection->IsHeld() && !was_held) sockets_->SetReading(connection, false);
}

// Whether the 1/part-th of its window is in use.
bool Inbound::IsWindowUsed(const Connection& connection, uint32_t part) const {
  const uint64_t bytes = std::max(2 * connection.hub_class->rules().max_message_size, kMinWindowBytes);
  return connection.unsettled >= std::max(window_ / part, 1u) || connection.unsettled_bytes >= bytes / part;
}

void Inbound::OnSettled(const EventView& event) {
  if (event.kind != EventKind::kText && event.kind != EventKind::kBinary) return;
  Connection* connection = table_->Find(event.connection);
  if (connection == nullptr) return;
  --connection->unsettled;
  connection->unsettled_bytes -= BytesOf(event.hub, event.payload);
  // Not at the first message: a socket at its limit would be stopped and started for each.
  if (!connection->window_full || IsWindowUsed(*connection, 2)) return;
  connection->window_full = false;
  ReadAgain(connection);
}

void Inbound::OnUncongested() {
  // What is read again may be congested again at once: it goes into a new list.
  for (const uint64_t handle : std::exchange(congested_, {})) {
    Connection* connection = table_->Find(handle);
    if (connection == nullptr || connection->closing) continue;
    if (events_->IsCongested(*connection)) {
      congested_.push_back(handle);
    } else {
      connection->congested = false;
      ReadAgain(connection);
    }
  }
  metrics_->congested->Set(static_cast<double>(congested_.size()));
}

// Where nothing speaks against it any more.
void Inbound::ReadAgain(Connection* connection) {
  if (connection->closing || connection->IsHeld()) return;
  if (connection->partial != nullptr) connection->partial->Restart(SteadyMs());
  sockets_->SetReading(connection, true);
}

}  // namespace dormouse
