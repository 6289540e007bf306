// One message being handled: what its handler (handlers.h) is given, and how it answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/auth/token_authority.h"
#include "common/config/options.h"
#include "statekeeper/classes/signal/messages/message_table.h"
#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/signal/protocol/errors.h"
#include "statekeeper/classes/signal/sessions/absence_table.h"
#include "statekeeper/classes/signal/state/hub_memory.h"
#include "statekeeper/classes/signal/state/session.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// What all calls of a hub share.
struct HubParts {
  const Options& options;
  const TokenAuthority* authority;  // nullptr: authentication is off
  HubMemory& memory;
};

struct Call {
  Call(Context& the_context, const Connection& the_connection, const Message& the_message,
       const Envelope& the_request, const HubParts& parts);

  SessionParts sessions() const { return {context, options, memory}; }
  bool legacy() const { return session.dialect() == DIALECT_0_1; }
  // An address as the client writes addresses, as JSON.
  std::string InClientForm(std::string_view bare) const;
  // The hub's own address as the client has addressed it, as JSON.
  std::string HubAsWritten() const;

  // Whether the sender is to get an answer when all is well. Needs `type`, as Answer does.
  bool WantsAnswer() const { return request.ask || type->AnswersTell(session.dialect()); }
  // Answers the request as its type is answered; with another type: from the address that it was sent to, to
  // its sender, with its id.
  void Answer(std::string_view payload) const { Reply(type->ReplyIn(session.dialect()), payload); }
  void Reply(std::string_view reply_type, std::string_view payload) const;
  // The same with hub:error.
  void Fail(const HubError& error) const;
  // Fail for a payload that is not as it should be; `resolution` says what to send.
  void FailBadPayload(std::string message, std::string resolution) const;
  // Fail for want of an address in `from`.
  void FailBadSender() const;

  Context& context;
  const Connection& connection;
  const Envelope& request;
  const MessageType* const type;  // nullptr: it is none that the hub knows
  const Message& raw;             // as it came
  const Options& options;
  const TokenAuthority* const authority;  // nullptr: authentication is off
  HubMemory& memory;
  const int64_t arrived_ms;
  const bool repeated;                // it may have been handled before
  const std::optional<Address> from;  // nothing: what the client wrote is no address
  Session session;                    // a copy; SaveSession to keep a change
};

// hub:error for a frame that cannot be answered as a request.
void FailUnaddressed(Context& context, const Connection& connection, const HubError& error);

}  // namespace dormouse::signal
