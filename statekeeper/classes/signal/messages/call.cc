#include "statekeeper/classes/signal/messages/call.h"

#include <utility>

namespace dormouse::signal {

Call::Call(Context& the_context, const Connection& the_connection, const Message& the_message,
           const Envelope& the_request, const HubParts& parts)
    : context(the_context),
      connection(the_connection),
      request(the_request),
      type(FindMessageType(the_request.type)),
      raw(the_message),
      options(parts.options),
      authority(parts.authority),
      memory(parts.memory),
      arrived_ms(the_message.received_ms),
      repeated(the_message.repeated),
      from(Address::Parse(the_request.from)),
      session(LoadSession(the_connection)) {}

std::string Call::InClientForm(std::string_view bare) const {
  return Address{std::string(bare), from.has_value() && from->canonical}.ToJson();
}

std::string Call::HubAsWritten() const {
  return request.to.has_value() ? std::string(request.to_json) : InClientForm(kHubAddress);
}

void Call::Reply(std::string_view reply_type, std::string_view payload) const {
  const std::string self = HubAsWritten();
  Outgoing reply{.type = reply_type, .from = self, .payload = payload, .correlation_id = request.id};
  const std::string frame = EnvelopeHead(request.from_json) + NewEnvelopeTail(reply, context.now_ms());
  context.Send(connection.id, Message::Text(frame));
}

void Call::Fail(const HubError& error) const { Reply("hub:error", error.ToPayload()); }

void Call::FailBadPayload(std::string message, std::string resolution) const {
  Fail({ErrorCode::kInternalError, std::move(message), std::move(resolution)});
}

void Call::FailBadSender() const {
  FailBadPayload("\"from\" is not an address.", "Send \"from\" as \"runtime/name\" or \"@(runtime/name)\".");
}

void FailUnaddressed(Context& context, const Connection& connection, const HubError& error) {
  const Address client = SessionAddress(LoadSession(connection));
  const std::string self = Address{std::string(kHubAddress), client.canonical}.ToJson();
  const std::string payload = error.ToPayload();
  const std::string frame =
      EnvelopeHead(client.ToJson()) +
      NewEnvelopeTail({.type = "hub:error", .from = self, .payload = payload}, context.now_ms());
  context.Send(connection.id, Message::Text(frame));
}

}  // namespace dormouse::signal
