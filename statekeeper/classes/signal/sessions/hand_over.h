// How a session is handed over to the connection that resumes it, once its rows are there: hub:connected goes
// out, and the kept messages after it. They stay in the mailbox of the session's former holder until its
// gateway has confirmed that they were written to the socket; should the hub be rebuilt before, they are sent
// again.
//
// Mail alone is handed over in the same way (Absence.mail_only, mail_inheritance.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/classes/signal/delivery/mailbox.h"
#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

class HandOver {
 public:
  explicit HandOver(const SessionParts& parts) : parts_(parts), absences_(parts) {}

  // `absence`: with its successor, to whom the rows of the session belong by now.
  void Begin(const ConnectionId& holder, Absence absence);
  // Mail alone; it is kept in a mailbox at a place that is no connection.
  void BeginMail(const std::vector<Mailbox::Kept>& mail, const ConnectionId& successor);
  // See Hub.
  void OnConfirmed(const ConnectionId& successor);

 private:
  // Sends it; until that is confirmed, the hub looks after it, whatever rebuilds it.
  void Await(const ConnectionId& holder, Absence absence, const std::string& token);
  // Sends hub:connected with this resume token, and the kept messages; asks whether they have arrived.
  void SendAll(const ConnectionId& holder, const Absence& absence, const std::string& token);
  void Send(const ConnectionId& successor, std::string_view key, const std::string& frame);
  // The successor has lost its socket as well, and its session waits for the next one: so does the mail.
  void MoveMail(const ConnectionId& holder, const Absence& absence);

  const SessionParts parts_;
  AbsenceTable absences_;
};

}  // namespace dormouse::signal
