// What was sent to a session while it had no socket, in rows. What it holds is a gapless beginning: once
// something did not find room, everything after it is only counted.
//
//   m/HOLDER/KEY/CHUNK   a message, in as many rows as it needs. KEY sorts as messages were sent (MessageKey)
//   b/HOLDER             stored.proto, MailboxState: how much there is
//
// HOLDER is the connection at which the session was. A message that is there already is there once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/options.h"
#include "statekeeper/classes/signal/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// The place of a message in a mailbox: its id (time-ordered, common/ids.h), and to whom it goes, since one
// session may get it under several of its addresses. `head`: EnvelopeHead of the recipient.
std::string MessageKey(std::string_view id, std::string_view head);
std::string_view MessageIdOf(std::string_view key);
// The same of a frame that came back; empty when it has no such id.
std::string MessageKeyOf(std::string_view frame);

// Messages in all mailboxes of the hub. Reads a row of each mailbox.
uint64_t CountKeptMessages(Context& context);

class Mailbox {
 public:
  // Lives within one handler.
  Mailbox(Context& context, const Options& options, const ConnectionId& holder);

  // False: there is no room for it; it was counted. To make room for an older message, newer ones go.
  bool Put(const std::string& key, std::string_view frame);
  // One is not even tried, and only counted.
  void Miss();
  // The key of a message with this origin (the tail of its id) and recipient, other than those that
  // `passed_over` holds. Reads all keys. Empty: there is none.
  std::string FindLike(std::string_view key, const std::function<bool(const std::string& key)>& passed_over);

  // Messages that were lost before: dropped for want of room, or reported to a client that did not get the
  // report.
  uint64_t missed() const { return state_.dropped() + state_.missed_before(); }
  void AddMissed(uint64_t count);

  // Oldest first. The frame lives until `visit` returns.
  using Visit = std::function<void(const std::string& key, const std::string& frame)>;
  void ForEach(const Visit& visit);

  // Removes up to `limit` rows; returns how many there were to remove. Fewer than `limit`: it is gone.
  size_t RemoveSome(size_t limit);

 private:
  // The message that was sent last goes.
  void DropNewest();
  bool IsOver() const;
  void Save();

  Context& context_;
  const Options& options_;
  const std::string prefix_;
  const std::string state_key_;
  MailboxState state_;
};

}  // namespace dormouse::signal
