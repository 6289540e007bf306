#include "gateway/edge/inbound.h"

#include <memory>
#include <string>
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
  connection->last_seen_ms = SteadyMs();
  if (piece.unmasked) {
    outbound_->Close(connection, CloseCause::kProtocolError, 1002, "Frames must be masked");
    return;
  }
  const EdgeRules& rules = connection->hub_class->rules();
  if (piece.first) {
    connection->message_size = 0;
    connection->oversized = false;
    connection->binary = piece.binary;
    connection->message.reset();
  }
  connection->message_size += piece.data.size();
  const uint64_t announced = connection->message_size + piece.remaining;
  if (announced > rules.max_message_size) {
    if (announced > 4 * rules.max_message_size || !rules.has_too_large_reply()) {
      metrics_->oversized->Increment();
      outbound_->Close(connection, CloseCause::kTooLarge, 1009, "Message too large");
      return;
    }
    connection->oversized = true;  // from here on it is counted, not kept
    connection->message.reset();
  }
  if (piece.first && piece.last) {
    if (connection->oversized) {
      OnOversized(connection);
    } else {
      OnMessage(connection, piece.data);
    }
    return;
  }
  Collect(connection, piece);
}

void Inbound::Collect(Connection* connection, const WebSockets::Piece& piece) {
  if (connection->oversized) {
    if (piece.last) OnOversized(connection);
    return;
  }
  if (connection->message == nullptr) connection->message = std::make_unique<std::string>();
  connection->message->append(piece.data);
  if (!piece.last) return;
  const std::unique_ptr<std::string> message = std::move(connection->message);
  OnMessage(connection, *message);
}

TemplateValues Inbound::Values(const Connection& connection) const {
  return {.connection_id = ConnectionId{gateway_, connection.handle}.ToString(), .now_ms = WallMs()};
}

void Inbound::OnOversized(Connection* connection) {
  metrics_->oversized->Increment();
  TemplateValues values = Values(*connection);
  values.actual_size = connection->message_size;
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

void Inbound::OnMessage(Connection* connection, std::string_view message) {
  if (!connection->binary && !IsValidUtf8(message)) {
    outbound_->Close(connection, CloseCause::kInvalidUtf8, 1007, "Text must be UTF-8");
    return;
  }
  if (!TakeToken(connection, message)) return;
  if (connection->binary) {
    Append(connection, EventKind::kBinary, message);
    return;
  }
  const auto answer =
      connection->hub_class->rules().AutoResponse(message, [&] { return Values(*connection); });
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
      WebSockets::SetReading(connection, true);
    }
  }
  metrics_->congested->Set(static_cast<double>(congested_.size()));
}

}  // namespace dormouse
