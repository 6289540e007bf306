// The rows of sessions that have no socket, and the index of them in memory.
//
// A session whose socket ended without the client's wish stays for the resume window under the connection at
// which it was, its holder. Its registrations and subscriptions stay where they are; what is sent to it goes
// to its mailbox (delivery/mailbox.h).
//
//   d/HOLDER   Absence (state/stored.proto)
//   f/HOLDER   a connection: the session of a token that was used at HOLDER is there, until its user is known to have the next
//
// Rows hang under a connection, and a resume moves them to the next one, though a key of the session's own
// would spare that: by its registration alone, without another read, a message finds the socket to go to; a
// table from keys to connections would name every session that was ever resumed, and be read whenever the hub
// wakes. And a process of the version before would send to the key as if it were a connection: messages would
// get lost without a word while a cluster is upgraded or goes back (deploy/upgrade.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/signal/state/hub_memory.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// What all parts of this folder work on. They live within one handler, as it does.
struct SessionParts {
  Context& context;
  const Options& options;
  HubMemory& memory;
};

enum class AbsenceState {
  kWaiting,        // for its client to come back
  kRegisterWaits,  // another session has registered an address of it, and waits for its mail
                   // (mail_inheritance.h)
  kResuming,       // a connection, its successor, has asked for it (resumption.h)
  kHandedOver,     // the successor has it, and may not know it (hand_over.h)
  kEnded,          // what is left of its rows is being removed
};
AbsenceState StateOf(const Absence& absence);

// Every connection under which rows of the session are.
std::vector<ConnectionId> PlacesOf(const ConnectionId& holder, const Absence& absence);

// Rows that one event removes or moves: a session with tens of thousands of registrations does not hold up
// the hub. The alarm does the rest, in steps of this size.
inline constexpr size_t kRowsPerStep = 256;
// When a hub that was rebuilt in between looks after a session that it is about to do something for.
inline constexpr int64_t kLookAgainMs = 1000;

class AbsenceTable {
 public:
  explicit AbsenceTable(const SessionParts& parts) : parts_(parts) {}

  // The hub wakes: makes the index.
  void Load();

  // The session of a holder: none that was handed over. And whatever row there is.
  std::optional<Absence> Find(const ConnectionId& holder);
  std::optional<Absence> Read(const ConnectionId& holder);

  // Writes the row and puts the session into the index; or the row alone, of one that was handed over.
  void Put(const ConnectionId& holder, const Absence& absence);
  void PutRow(const ConnectionId& holder, const Absence& absence);
  void RemoveRow(const ConnectionId& holder);
  void RemoveFromIndex(const ConnectionId& holder, const Absence& absence);

  // The hub is to look after the session then, whatever wakes it.
  void LookAt(const ConnectionId& holder, int64_t due_ms);
  void LookAgainSoon(const ConnectionId& holder) { LookAt(holder, parts_.context.now_ms() + kLookAgainMs); }
  void DoNotLookAt(const ConnectionId& holder, int64_t due_ms);

  // Whether all has come back that was sent to the holder and did not reach its socket. Asks for it when
  // nobody has since the hub woke: Hub::OnRecalled follows.
  bool HasAllBack(const ConnectionId& holder);

  // --- f/ rows.
  std::optional<ConnectionId> ForwardedFrom(const ConnectionId& holder);
  void Forward(const ConnectionId& holder, const ConnectionId& to);
  // The token that it has used ends, and so does the row that leads from that to the session.
  void RemoveForward(const Session& session);

 private:
  void AddToIndex(const ConnectionId& holder, const Absence& absence);

  const SessionParts parts_;
};

}  // namespace dormouse::signal
