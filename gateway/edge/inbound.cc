#include "gateway/edge/inbound.h"

#include <memory>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/utf8.h"

namespace dormouse {

void Inbound::OnOpen(Connection* connection, std::string_view open_request) {
  connection->last_seen_ms = SteadyMs();
  Append(connection, EventKind::kOpen, open_request);
}

void Inbound::OnPiece(Connection* connection, const WebSockets::Piece& piece) {
  if (connection->closing) return;
  if (piece.unmasked) {
    outbound_->Close(connection, CloseCause::kProtocolError, 1002, "Frames must be masked");
    return;
  }
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
    partial.reset();
    OnOversized(connection, size);
    return;
  }
  if (piece.last && partial == nullptr) {
    OnMessage(connection, piece.data, piece.binary);
    return;
  }
  if (partial == nullptr) partial = std::make_unique<PartialMessage>(budget_, SteadyMs());
  if (oversized) {
    partial->Skip(piece.data);
  } else if (!partial->Append(piece.data)) {
    outbound_->Close(connection, CloseCause::kPartialsFull, 1013, "Too many unfinished messages");
  } else if (piece.last) {
    const std::unique_ptr<PartialMessage> message = std::move(partial);
    OnMessage(connection, message->bytes(), piece.binary);
  }
}

TemplateValues Inbound::Values(const Connection& connection) const {
  return {.connection_id = ConnectionId{gateway_, connection.handle}.ToString(), .now_ms = WallMs()};
}

void Inbound::OnOversized(Connection* connection, uint64_t size) {
  metrics_->oversized->Increment();
  TemplateValues values = Values(*connection);
  values.actual_size = size;
  if (const auto reply = connection->hub_class->rules().TooLargeReply(values))
    outbound_->Reply(connection, *reply);
}

// False: the message is over the rate limit (and that has been said).
bool Inbound::TakeToken(Connection* connection, std::string_view message) {
  const EdgeRules& rules = connection->hub_class->rules();
  if (rules.rate_limit <= 0 || rules.IsRateExempt(message) ||
      connection->rate.Take(rules.rate_limit, rules.rate_burst, connection->last_seen_ms)) {
    return true;
  }
  metrics_->rate_limited->Increment();
  TemplateValues values = Values(*connection);
  values.retry_after_s = connection->rate.RetryAfterSeconds(rules.rate_limit);
  if (const auto reply = rules.RateLimitedReply(message, values)) outbound_->Reply(connection, *reply);
  return false;
}

void Inbound::OnMessage(Connection* connection, std::string_view message, bool binary) {
  if (!binary && !IsValidUtf8(message)) {
    outbound_->Close(connection, CloseCause::kInvalidUtf8, 1007, "Text must be UTF-8");
    return;
  }
  if (!TakeToken(connection, message)) return;
  if (binary) {
    Append(connection, EventKind::kBinary, message);
    return;
  }
  // Who has not been let in hears of the hub alone what he may do.
  std::optional<std::string> answer;
  if (connection->admit_by_ms == 0) {
    answer = connection->hub_class->rules().AutoResponse(message, [&] { return Values(*connection); });
  }
  if (answer.has_value()) {
    metrics_->auto_responses->Increment();
    outbound_->Reply(connection, *answer);
  } else {
    Append(connection, EventKind::kText, message);
  }
}

void Inbound::Append(Connection* connection, EventKind kind, std::string_view payload) {
  const StatekeeperLinks::Room room = events_->Append(*connection, kind, payload);
  if (room == StatekeeperLinks::Room::kPlenty || connection->congested) return;
  connection->congested = true;
  congested_.push_back(connection->handle);
  metrics_->congested->Set(static_cast<double>(congested_.size()));
  WebSockets::SetReading(connection, false);
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
      if (connection->partial != nullptr) connection->partial->Restart(SteadyMs());
      WebSockets::SetReading(connection, true);
    }
  }
  metrics_->congested->Set(static_cast<double>(congested_.size()));
}

}  // namespace dormouse
