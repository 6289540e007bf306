// How a client that comes back gets its session: it shows the session's token, and its new connection becomes
// the session's successor. Once nothing more is on its way back from the old socket, the session's rows move
// to the successor, in steps if they are many, and the session is handed over (hand_over.h).
#pragma once

#include <optional>
#include <string_view>

#include "statekeeper/classes/signal/sessions/absence_table.h"

namespace dormouse::signal {

class Resumption {
 public:
  explicit Resumption(const SessionParts& parts) : parts_(parts), absences_(parts) {}

  // False: the token names no session that this client may have; nothing has changed. True: the session is
  // the connection's, or will be: hub:connected was or will be sent.
  bool Resume(ConnectRequest request, std::string_view token);
  // See Hub.
  void OnRecalled(const ConnectionId& closed);
  // Of a session that is being resumed: moves rows, at most about `limit`, and returns how many.
  size_t MoveRows(const ConnectionId& holder, Absence absence, size_t limit);
  // A client says something: it has the token that it was given last, so the one that it used is over.
  void EndUsedToken(const ConnectionId& connection, Session* session);
  // The successor has lost its socket: the session waits for the next one.
  void Cancel(const ConnectionId& holder, Absence absence);

  // Asks for what the hub was waiting for when it left memory, if that is anything
  // (ResumeMemory::to_ask_again). To be called with the first event after that; sends nothing, since that is
  // somebody else's.
  void AskAgain();

 private:
  // The holder of the session to which the token belongs, its socket closed if it had one.
  std::optional<ConnectionId> FindByToken(const ConnectRequest& request);
  // Whether the session's client has the token that it was given last. Of one that is there, and was told, it is taken for
  // sure: else anybody who has seen a token that was used could take the session from it.
  enum class Knows { kSurely, kPerhaps };
  static bool IsEntitled(const ConnectRequest& request, const Session& session, Knows knows);

  const SessionParts parts_;
  AbsenceTable absences_;
};

}  // namespace dormouse::signal
