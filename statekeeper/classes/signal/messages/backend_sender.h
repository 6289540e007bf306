// A backend among the clients of a signal hub: one without a socket, a session or registrations, who may do what all
// capabilities together allow. What it says is a message of the protocol, handled as any client's; what the hub answers is
// caught instead of being sent.
//
// Within one handler.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "statekeeper/classes/signal/messages/call.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// As whom a backend speaks that does not say.
inline constexpr std::string_view kBackendAddress = "backend/api";

class BackendSender {
 public:
  BackendSender(Context& context, const HubParts& parts) : context_(context), parts_(parts) {}

  // The hub's answer: its type, and its payload as JSON. `type`: of the message; `from` empty: kBackendAddress; `to`
  // empty: the hub. JSON: `payload`, and `metadata` unless it is empty.
  struct Answer {
    std::string type;
    std::string payload = "null";
  };
  struct Said {
    std::string_view type;
    std::string_view from;
    std::string_view to;
    std::string_view payload;
    std::string_view metadata;
  };
  // Nothing: it is none that a backend may send, and `*refused` is a sentence.
  std::optional<Answer> Say(const Said& said, std::string* refused);

 private:
  Context& context_;
  const HubParts parts_;
};

}  // namespace dormouse::signal
