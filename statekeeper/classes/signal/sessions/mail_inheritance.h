// Mail that another session inherits: a client that comes back with a new session of the same identity, its
// heir, and registers an address of the old one, gets what waits for that.
//
// Until all has come back that was on its way to the old session the hub:register waits (WaitingRegister).
// Then the old session ends, and its mail is handed over (hand_over.h).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

class MailInheritance {
 public:
  explicit MailInheritance(const SessionParts& parts) : parts_(parts), absences_(parts) {}

  // `from`: the connection under which the address is registered.
  bool MayInherit(const ConnectionId& from, const Session& heir);
  // Closes the socket of a session that may be inherited; it waits then, as if the socket had been lost.
  void LoseSocket(const ConnectionId& open);
  // True: mail of the session, which has no socket, is still on its way. The request is kept; TakeRegisters
  // gives it back when the mail has come.
  bool AwaitMail(const ConnectionId& from, const ConnectionId& heir, const Message& request);
  // The requests that waited for the mail of a session, if it is there. Asks for it when nobody has.
  std::vector<WaitingRegister> TakeRegisters(const ConnectionId& holder);
  // Ends a session without a socket, and sends its mail to the heir.
  void HandMail(const ConnectionId& from, const ConnectionId& heir);

 private:
  // The session to which a connection belongs, if it has no socket and has not ended, and its holder.
  std::optional<std::pair<ConnectionId, Absence>> FindAlive(const ConnectionId& connection);

  const SessionParts parts_;
  AbsenceTable absences_;
};

}  // namespace dormouse::signal
