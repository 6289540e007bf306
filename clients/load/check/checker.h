// Whether the promises were kept, by a history alone. Pure.
//
//   lost         an acknowledged send, publish or broadcast that did not arrive at somebody whom it was for:
//   the target
//                of the send; who was subscribed without doubt, or registered, all the time from the sending
//                of the message until its acknowledgement. Whose socket was lost has until the end to resume
//                its session and get it; with a session that ended, nothing is promised of what was on its
//                way (`gone_with_session`), nor of the `missed` messages that the hub owned up to on resuming
//   lost_tells   the same for tells. No acknowledgement says that the hub has one; a later answer to its
//   sender does lost_asks    unanswered within the time-out, over a socket that lived duplicated   arrived
//   twice at the same client, or answered twice; broken only where the rules say so reordered    first
//   arrivals of messages that the same socket of a sender sent, in another order misdelivered at a client
//   that it was not for, or made by nobody closes       where sockets are to stay open, each; where sessions
//   are to be resumed, each that was not registration an acknowledged one is there at the end, in no earlier
//   version, and no version is given twice; nobody
//                is unknown who is registered
//   refused      an operation that failed otherwise than for the time being
//
// What fails for the time being is not sent again, under its id or another; whether it took effect is not
// known, and nothing is demanded of it but order and no duplicates.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "clients/load/check/ledger.h"

namespace dormouse::load::check {

enum class OnClose : uint8_t { kNone, kResume, kRegister };

struct Rules {
  OnClose on_close = OnClose::kNone;
  bool strict_duplicates = false;
  Micros timeout = 15'000'000;  // for an answer
};

struct Verdict {
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t delivered = 0;  // first arrivals
  uint64_t lost = 0;
  uint64_t lost_tells = 0;
  uint64_t lost_asks = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t misdelivered = 0;
  uint64_t failed_retryable = 0;
  uint64_t refused = 0;
  uint64_t registrations_lost = 0;
  uint64_t applied_twice = 0;        // registrations whose version is higher than their updates
  uint64_t unanswered_at_close = 0;  // asks whose socket was lost before the answer
  uint64_t gone_with_session = 0;
  std::map<int, uint64_t> closes;  // by code
  uint64_t reconnects = 0;         // sessions after the first, resumed or not
  uint64_t resumed = 0;
  uint64_t missed = 0;

  uint64_t broken = 0;                  // promises
  std::vector<std::string> words;       // the first of them
  std::vector<std::string> duplicates;  // the first of those
  bool kept() const { return broken == 0; }
  // Whether time may mend what is broken: messages or answers that have not come yet.
  bool incomplete() const { return lost + lost_tells + lost_asks > 0; }
};

Verdict Check(const Ledger& ledger, const Rules& rules);

}  // namespace dormouse::load::check
