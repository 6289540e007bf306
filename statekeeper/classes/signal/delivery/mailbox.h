// What was sent to a session while it had no socket, in rows. What it holds is a gapless beginning: once
// something did not find room, everything after it is only counted.
//
//   m/HOLDER/KEY/CHUNK   a message, in as many rows as it needs. KEY sorts as messages were sent (MessageKey)
//   b/HOLDER             stored.proto, MailboxState: how much there is
//
// A message whose client may have it already (Message::unconfirmed) begins with the byte 1 in its row.
//
// HOLDER is the connection at which the session was. A message that is there already is there once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
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
  // `unconfirmed`: its client may have it. Such messages make room for any that come after them.
  bool Put(const std::string& key, std::string_view frame, bool unconfirmed = false);
  // One is not even tried, and only counted.
  void Miss();
  // The gateway has not kept them all.
  void AddLost(const Lost& lost);
  // The key of a message with this origin (the tail of its id) and recipient, other than those that
  // `passed_over` holds. Reads all keys. Empty: there is none.
  std::string FindLike(std::string_view key, const std::function<bool(const std::string& key)>& passed_over);

  // What a client has got: the id of the last message, empty: none. Nothing: it does not say.
  using Got = std::optional<std::string_view>;
  // Messages that such a client has missed and will not get: dropped for want of room, here or at its
  // gateway, or reported to a client that did not get the report. Where it may be fewer, it is the most.
  // `elsewhere`: how many it will get from elsewhere of those that were sent before one (an id; empty: of
  // all).
  using Elsewhere = std::function<uint64_t(std::string_view before)>;
  uint64_t MissedBy(const Got& got, const Elsewhere& elsewhere);
  void AddMissed(uint64_t count);

  struct Kept {
    std::string key;
    std::string frame;
    bool unconfirmed = false;
  };
  // What such a client is to get, oldest first.
  std::vector<Kept> MessagesFor(const Got& got);
  // Oldest first.
  using Visit = std::function<void(const Kept& message)>;
  void ForEach(const Visit& visit);

  // Removes up to `limit` rows; returns how many there were to remove. Fewer than `limit`: it is gone.
  size_t RemoveSome(size_t limit);

 private:
  // The message that was sent last goes.
  void DropNewest();
  // Of those that the client may have, the first goes.
  void DropUnconfirmed();
  void Remove(const std::string& key);
  // Of the message to which a row belongs.
  std::string_view KeyOf(std::string_view row) const;
  bool HasRoom(size_t bytes) const;
  bool IsOver() const;
  void Save();

  Context& context_;
  const Options& options_;
  const std::string prefix_;
  const std::string state_key_;
  MailboxState state_;
};

}  // namespace dormouse::signal
