#include "gateway/edge/outbound/closing_handshake.h"

#include <algorithm>

#include "common/clock.h"
#include "gateway/edge/frames/close_frame.h"

namespace dormouse::edge {

void ClosingHandshake::Close(Connection* connection, CloseCause cause, uint16_t code,
                             std::string_view reason) {
  if (connection->closing) return;
  parts_.outbound->WriteNow(connection);
  if (connection->closing) return;
  parts_.events->AppendClose(*connection, code, reason);
  // What was written waits for how the connection ends, unless something goes back that comes after it.
  if (connection->outbound_queue != nullptr) {
    parts_.returned->ReturnQueue(connection, EventKind::kUndelivered);
  }
  // What comes after a message that may not be is not waited for, nor the answer behind it.
  if (cause == CloseCause::kTooLarge || cause == CloseCause::kInvalidUtf8 ||
      cause == CloseCause::kProtocolError) {
    connection->input_ignored = true;
  }
  StartClosing(connection, cause, code, reason);
}

bool ClosingHandshake::MayClose(Connection* connection) {
  if (connection->unconfirmed == nullptr || !connection->unconfirmed->HasUnanswered() ||
      connection->final_ping_sent) {
    return true;
  }
  connection->final_ping_sent = true;
  parts_.outbound->AskForConfirmation(connection);
  return false;
}

void ClosingHandshake::OnConfirmed(Connection* connection) {
  if (connection->final_ping_sent && connection->draining) {
    parts_.timers->Schedule(connection, SteadyMs());
  } else {
    connection->final_ping_sent = false;
  }
}

void ClosingHandshake::Evict(Connection* connection) {
  if (!connection->closing) return Close(connection, CloseCause::kOutboundFull, 1013, "Too slow");
  // It has had its time to take what comes before the close.
  parts_.sockets->Abort(connection);
  parts_.returned->ReturnQueue(connection, EventKind::kUndelivered);
  parts_.queues->Remove(connection);
}

// Its client neither answers nor reads. Should even that not end it, look again.
void ClosingHandshake::OnTimeout(Connection* connection) {
  parts_.sockets->Abort(connection);
  parts_.timers->Schedule(connection, SteadyMs() + close_timeout_ms_);
}

void ClosingHandshake::Deliver(const DeliveryView& delivery) {
  CloseView close;
  ReadClosePayload(delivery.payload, &close);
  const bool can_be_sent = IsCloseCode(close.code) || close.code == kNoCloseCode;
  const uint16_t code = can_be_sent ? close.code : uint16_t{1000};
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    Connection* connection = parts_.table->Find(delivery.recipient(i));
    if (connection == nullptr) continue;
    if (connection->closing) {
      parts_.outbound->ReturnWaiting(connection);
    } else {
      StartClosing(connection, CloseCause::kHub, code, close.reason);
    }
  }
}

void ClosingHandshake::OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) {
  if (connection->closing) {
    if (connection->close_sent) EndOutput(connection);
    return;
  }
  Ended(connection, CloseCause::kClient, code, reason);
  parts_.outbound->SendControl(connection, Opcode::kClose, CloseFramePayload(code, reason));
}

void ClosingHandshake::OnProtocolError(Connection* connection, uint16_t code, std::string_view what) {
  if (connection->close_sent) return EndOutput(connection);
  Close(connection, code == 1007 ? CloseCause::kInvalidUtf8 : CloseCause::kProtocolError, code, what);
}

void ClosingHandshake::OnGone(Connection* connection) {
  parts_.outbound->QueueNow(connection);
  Ended(connection, CloseCause::kBroken, kBrokenCloseCode, {});
  parts_.returned->ReturnQueue(connection, ReturnedFrames::FateOfWritten(*connection));
  parts_.queues->Remove(connection);
}

void ClosingHandshake::OnCloseSent(Connection* connection) {
  connection->close_sent = true;
  if (connection->input_ignored) EndOutput(connection);
}

void ClosingHandshake::OnTooSlow(Connection* connection) {
  Close(connection, CloseCause::kSlowConsumer, 1013, "Too slow");
}

void ClosingHandshake::OnProgress(Connection* connection) {
  parts_.timers->Schedule(connection, SteadyMs() + close_timeout_ms_);
}

void ClosingHandshake::StartClosing(Connection* connection, CloseCause cause, uint16_t code,
                                    std::string_view reason) {
  connection->closing = true;
  parts_.metrics->Closed(cause);
  connection->partial.reset();
  parts_.outbound->SendControl(connection, Opcode::kClose, CloseFramePayload(code, reason));
  parts_.sockets->SetReading(connection, true);  // to see the client's close frame
  OnProgress(connection);
}

void ClosingHandshake::Ended(Connection* connection, CloseCause cause, uint16_t code,
                             std::string_view reason) {
  if (connection->closing) return;
  parts_.outbound->WriteNow(connection);
  if (connection->closing) return;
  connection->closing = true;
  connection->partial.reset();
  parts_.metrics->Closed(cause);
  parts_.events->AppendClose(*connection, code, reason, cause == CloseCause::kClient);
  OnProgress(connection);
  // It has taken its leave, and what it had got with it.
  if (cause == CloseCause::kClient && (code == 1000 || code == kNoCloseCode)) parts_.kept->Forget(connection);
  parts_.returned->ReturnQueue(connection, ReturnedFrames::FateOfWritten(*connection));
}

void ClosingHandshake::EndOutput(Connection* connection) {
  parts_.sockets->EndOutput(connection);
  parts_.timers->Schedule(connection, SteadyMs() + std::min(kLingerMs, close_timeout_ms_));
}

}  // namespace dormouse::edge
