// The messages that are the hub's own, "hub:...": one row for each type has all that the class knows of it.
// What has no row is answered with an error, whoever sends it. CONTRIBUTING.md says how to add one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "statekeeper/classes/signal/protocol/capability.h"
#include "statekeeper/classes/signal/state/stored.pb.h"

namespace dormouse::signal {

struct Call;

struct MessageType {
  std::string_view type;
  void (*handler)(Call&) = nullptr;  // handlers.h

  // What answers it, where no error does. Tells get no answer in the dialects that `silent_tells` has.
  struct Reply {
    std::string_view in_0_1;
    std::string_view in_1_0;
  };
  Reply reply;
  enum class Dialects { kNone, k0_1, kBoth };
  Dialects silent_tells = Dialects::kNone;

  // What a session needs to send it where tokens are asked for (permissions.h): capabilities, all of them; an
  // actor for whom `from` may speak; a token that has not expired.
  uint32_t needs = 0;
  bool speaks_for_actor = false;
  bool needs_fresh_token = true;

  // hub:connect: what needs no session, nor a clock that is right (ttl).
  bool begins_session = false;
  // It keeps the hub in memory (Context::DoNotStayAwake).
  bool is_activity = true;
  // It counts against the session's rate limit, at the edge: all messages cost the same, or nothing.
  bool is_rate_limited = true;

  std::string_view ReplyIn(Dialect dialect) const {
    return dialect == DIALECT_0_1 ? reply.in_0_1 : reply.in_1_0;
  }
  bool AnswersTell(Dialect dialect) const {
    return silent_tells == Dialects::kNone || (silent_tells == Dialects::k0_1 && dialect != DIALECT_0_1);
  }
};

// By type.
std::span<const MessageType> MessageTypes();

// The row of a type; an application's have one in common, without a type. Nullptr: there is none.
const MessageType* FindMessageType(std::string_view type);

}  // namespace dormouse::signal
