// What a signal hub holds in memory while it is awake. All of it can be made anew from rows (OnWake), or is
// not missed.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/ids.h"
#include "statekeeper/classes/signal/flow_control.h"
#include "statekeeper/classes/signal/resume_metrics.h"
#include "statekeeper/classes/signal/sent_log.h"
#include "statekeeper/classes/signal/throughput.h"

namespace dormouse::signal {

// The ids that a sender's repeated events of one millisecond got.
struct LateIds {
  int64_t arrived_ms = 0;
  uint32_t count = 0;
};

struct HubMemory {
  // Connections whose messages a mailbox takes, and which one: their session has no socket, or is on its way
  // from one connection to another (absent_sessions.h). Empty most of the time, so that it costs a recipient
  // nothing to be looked for here.
  std::unordered_map<ConnectionId, ConnectionId> absent;
  // Connections whose session is over: what rows say of it counts no more, and goes step by step.
  std::unordered_set<ConnectionId> ended;

  // Holders of sessions in the order in which they lost their sockets; some do not wait any more.
  std::deque<ConnectionId> absent_in_order;
  // Of those in `absent`: whose undelivered messages are on their way back, and whose have all come.
  std::unordered_set<ConnectionId> recalling;
  std::unordered_set<ConnectionId> recalled;
  // Connections that wait to take over the session of another one: who, whose.
  std::unordered_map<ConnectionId, ConnectionId> successors;
  // Holders with a successor since before the hub woke.
  std::vector<ConnectionId> left_over;
  // Connections that have taken over a session and whether they were told is not known: whose. And of those
  // the ones that were told before the hub woke.
  std::unordered_map<ConnectionId, ConnectionId> unconfirmed;
  std::unordered_set<ConnectionId> told_before;

  // Bad tokens in a row, of connections that have shown some.
  std::unordered_map<ConnectionId, int> failed_connects;

  SentLog sent_log;
  // Kept messages that a repeated event was found to have written: another one like it wrote another one.
  std::unordered_set<std::string> found_again;
  // Origins and recipients (TimeOrderedIds::TailOf a key) of messages that a repeated event has kept: coming
  // back from a socket, they are there already.
  std::unordered_multiset<std::string> kept_again;
  std::unordered_map<ConnectionId, LateIds> late_ids;  // by sender

  CongestionMemory congestion;
  Throughput throughput;

  // Since the hub woke.
  int64_t awake_since_ms = 0;
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;  // each recipient's copy counted

  ResumeMetrics* resume_metrics = nullptr;  // nullptr: nobody wants them

  // A socket that is open has been heard within this time (from options, constant).
  int64_t heard_within_ms = INT64_MAX;
};

}  // namespace dormouse::signal
