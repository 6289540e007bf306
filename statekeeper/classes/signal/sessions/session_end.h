// How sessions lose their sockets, and how they end.
//
// An end by the client's wish, or of a session that cannot be resumed, is for good: everybody stops seeing
// the session at once, and its rows go, in steps if they are many. Any other lost socket leaves a session
// that waits to be resumed (absence_table.h).
#pragma once

#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

class SessionEnd {
 public:
  explicit SessionEnd(const SessionParts& parts) : parts_(parts), absences_(parts) {}

  // The socket is gone or about to be closed, and the session waits. No more than max-absent do: beyond that,
  // those end that have waited longest.
  void Detach(const ConnectionId& connection, const Session& session);

  // The session ends for good, its connection closed or about to be. EndAt: that to which a connection
  // belongs, with or without a socket.
  void End(const ConnectionId& connection, const Session& session);
  void EndAt(const ConnectionId& connection);
  // The same of one without a socket; then, of one that has ended, the rows that are left. Both touch at most
  // about `limit` rows, and return how many.
  size_t EndAbsent(const ConnectionId& holder, Absence absence, size_t limit);
  size_t RemoveRows(const ConnectionId& holder, const Absence& absence, size_t limit);

 private:
  void EndOldest();

  const SessionParts parts_;
  AbsenceTable absences_;
};

}  // namespace dormouse::signal
