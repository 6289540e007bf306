// A history, sorted by what it is about: what became of each operation, and when each client was there. What
// the rules (checker.h) and the pauses (pauses.h) are looked up in. Pure.
#pragma once

#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "clients/load/check/history.h"

namespace dormouse::load::check {

constexpr Micros kNever = -1;
constexpr Micros kForever = std::numeric_limits<Micros>::max();

struct Interval {
  Micros from;
  Micros to;
};

struct OperationEntry {
  Sent sent;
  Micros sent_at = kNever;
  Micros answered_at = kNever;
  Answered answer;
  uint32_t life = 0;  // which socket of its sender: 1 is the first

  bool answered() const { return answered_at != kNever; }
  bool acknowledged() const { return answered() && answer.outcome == Outcome::kAcknowledged; }
  // Whether somebody is to get a message.
  bool carries_message() const {
    return sent.kind == Kind::kSend || sent.kind == Kind::kTell || sent.kind == Kind::kPublish ||
           sent.kind == Kind::kBroadcast;
  }
};

// What came to a client's topic, as far as acknowledgements tell.
struct Subscription {
  std::vector<Interval> certain;   // it is subscribed
  std::vector<Interval> possible;  // it may be
};

struct ClientEntry {
  // From an acknowledged registration until the session's end: a close that no resumption follows.
  std::vector<Interval> present;
  std::vector<std::pair<Micros, Closed>> closes;  // of life 1, 2, ...
  std::vector<Session> sessions;
  std::vector<Micros> sessions_at;
  std::map<uint32_t, Subscription> subscriptions;  // by topic
  uint64_t missed = 0;
  bool away = false;  // at the end

  // Whether there is no doubt that what happened at the hub between these times found the client.
  bool IsPresent(Micros from, Micros to) const;
};

struct Ledger {
  explicit Ledger(const History& history);

  const History& history;
  std::vector<OperationEntry> operations;  // [0] is none
  std::vector<ClientEntry> clients;
  std::vector<std::pair<Micros, Answered>> more_answers;  // beside the first, and to nobody's question

  const OperationEntry* Find(OperationId id) const {
    return id == 0 || id >= operations.size() ? nullptr : &operations[id];
  }
};

}  // namespace dormouse::load::check
