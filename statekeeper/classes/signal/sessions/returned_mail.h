// What was sent to a session and comes back, since its socket was lost before it got there: it goes to the
// session's mailbox, into the place where it was sent (delivery/mailbox.h).
#pragma once

#include <optional>

#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

class ReturnedMail {
 public:
  explicit ReturnedMail(const SessionParts& parts) : parts_(parts) {}

  // See Hub.
  void OnUndelivered(const ConnectionId& closed, const Message& message);
  void OnLost(const ConnectionId& closed, const Lost& lost);

 private:
  // The connection whose mailbox takes what was sent to a closed one. Nothing: its session has ended.
  std::optional<ConnectionId> HolderOf(const ConnectionId& closed);

  const SessionParts parts_;
};

}  // namespace dormouse::signal
