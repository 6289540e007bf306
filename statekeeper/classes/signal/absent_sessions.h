// Sessions without a socket: how a session outlives its connection, and how another connection takes it over.
//
// When the socket of a session ends without the client's wish, the session stays for the resume window, under
// the connection at which it was (its holder). Its registrations and subscriptions stay where they are, what
// is sent to it goes to its mailbox (mailbox.h), and what had been sent to the dead socket is asked back. A
// client that comes with the session's token gets the session: once nothing more is on its way back (a hub
// that was rebuilt asks again, since it cannot know), its rows move to the new connection, in steps if they
// are many, then hub:connected goes out and the kept messages after it.
//
//   d/HOLDER     stored.proto, Absence. Also of a session that has ended with more rows than one step
//   removes, and
//                of one that was handed over until its new connection is known to have been told
//   f/HOLDER     a connection: the session that a used token names, which has become valid again, is there
//
// No more than max-absent sessions wait: beyond that, those end that have waited longest.
//
// In memory: HubMemory's absent, ended, recalling and successors, made from the d/ rows by Load.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/signal/hub_memory.h"
#include "statekeeper/classes/signal/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class AbsentSessions {
 public:
  // Lives within one handler.
  AbsentSessions(Context& context, const Options& options, HubMemory& memory)
      : context_(context), options_(options), memory_(memory) {}

  // The hub wakes.
  void Load();

  // Sessions that wait for their clients to come back, or are being taken over.
  size_t Count() const;

  // --- Sessions that lose their socket.
  // A connection has closed: its session waits to be resumed, or ends.
  void OnClose(const ConnectionId& connection, const Session& session, const CloseInfo& info);
  // A session ends for good, its connection being closed or about to be. Returns when nobody sees anything of
  // it any more.
  void End(const ConnectionId& connection, const Session& session);
  // The same of the session to which a connection belongs, with or without a socket.
  void EndSessionAt(const ConnectionId& connection);

  // --- What comes back.
  void OnUndelivered(const ConnectionId& closed, const Message& message);
  void OnLost(const ConnectionId& closed, const Lost& lost);
  void OnRecalled(const ConnectionId& closed);
  void OnConfirmed(const ConnectionId& successor);

  // --- Sessions that are taken over.
  // False: the token names no session that this client may have; nothing has changed. True: the session is
  // the connection's, or will be: hub:connected was or will be sent.
  bool Resume(ConnectRequest request, std::string_view token);

  // --- Sessions that are inherited: another one of the same identity registers an address of theirs
  // (absent_heirs.cc). `from`: the connection under which the address is registered.
  bool MayInherit(const ConnectionId& from, const Session& heir);
  // Closes the socket of a session that may be inherited; it waits then, as if the socket had been lost.
  void LoseSocket(const ConnectionId& open);
  // True: mail of the session is still on its way. The request is kept; TakeClaims gives it back when the
  // mail has come. To be called with a session without a socket.
  bool AwaitMail(const ConnectionId& from, const ConnectionId& heir, const Message& request);
  // The requests that waited for the mail of a session, if it is there. Asks for it when nobody has.
  std::vector<Absence::Claim> TakeClaims(const ConnectionId& holder);
  // Ends a session without a socket, and sends its mail to the heir.
  void HandMail(const ConnectionId& from, const ConnectionId& heir);

  // Goes on with what the hub was about before it was rebuilt. To be called with the first events.
  void ResumeLeftOver();

  // A deadline of a session has come. Touches at most about `limit` rows and returns how many.
  size_t OnDeadline(const ConnectionId& holder, size_t limit);

 private:
  // Rows that one event removes or moves: a session with tens of thousands of registrations does not hold up
  // the hub. The rest is done by the alarm, in steps of this size.
  static constexpr size_t kRowsPerStep = 256;
  // When a hub that was rebuilt in between looks after a session that is being taken over.
  static constexpr int64_t kLookAgainMs = 1000;
  static std::string AbsenceKey(const ConnectionId& holder);

  // The connection whose mailbox takes what was sent to a closed one. Nothing: its session has ended.
  std::optional<ConnectionId> HolderOf(const ConnectionId& closed);
  std::optional<Absence> Find(const ConnectionId& holder);
  std::optional<Absence> Read(const ConnectionId& holder);
  void Save(const ConnectionId& holder, const Absence& absence);
  void Remember(const ConnectionId& holder, const Absence& absence);
  void Forget(const ConnectionId& holder, const Absence& absence);

  void Leave(const ConnectionId& connection, const Session& session);
  // A session waits that can be ended, and is not about to be resumed.
  bool IsWaiting(const ConnectionId& holder, const Absence& absence) const;
  // Of more sessions than may wait, ends those that have waited longest.
  void MakeRoom();
  // Whether all has come back that was sent to the connection. Asks for it when nobody has, since the hub
  // woke: OnRecalled follows.
  bool IsRecalled(const ConnectionId& holder);
  size_t EndAbsent(const ConnectionId& holder, Absence absence, size_t limit);
  size_t RemoveRows(const ConnectionId& holder, const Absence& absence, size_t limit);

  // Whether a session was handed over to the connection without its having been told.
  bool IsUnconfirmed(const ConnectionId& connection) const {
    return memory_.unconfirmed.contains(connection);
  }
  // The session to which a token belongs, its socket closed if it had one.
  std::optional<ConnectionId> Claim(const ConnectRequest& request);
  // `told`: the client knows its newest token, so that the one which it used for it is over.
  bool MayHave(const ConnectRequest& request, const Session& session, bool told) const;
  size_t TakeOver(const ConnectionId& holder, Absence absence, size_t limit);
  void Finish(const ConnectionId& holder, Absence absence);
  // Sends hub:connected with this resume token, and the kept messages, to the successor; asks whether they
  // have arrived.
  void Tell(const ConnectionId& holder, const Absence& absence, const std::string& token);
  // The successor has been told, or cannot be any more: what was kept for it goes.
  void Settle(const ConnectionId& holder, const Absence& absence);
  using Mail = std::vector<std::pair<std::string, std::string>>;  // keys and frames, in order
  Mail MailOf(const ConnectionId& holder);
  void SendMail(const ConnectionId& heir, const Mail& mail);
  void ConfirmMail(const ConnectionId& place, const ConnectionId& heir, const Absence& owed);
  void LoseSuccessor(const ConnectionId& holder, Absence absence);
  void TakeBackConnected(const ConnectionId& closed);

  Context& context_;
  const Options& options_;
  HubMemory& memory_;
};

}  // namespace dormouse::signal
