// What a signal hub holds in memory while it is awake, each struct for the part of the class that is named
// beside it. All of it can be made anew from rows (SignalHub::OnWake), or is not missed. Only the hub's own
// handlers touch it.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/ids.h"
#include "statekeeper/classes/signal/state/absent_index.h"
#include "statekeeper/classes/signal/state/resume_metrics.h"
#include "statekeeper/classes/signal/state/sent_log.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/classes/signal/state/throughput.h"

namespace dormouse::signal {

// sessions/: how sessions without a socket come to another one.
struct ResumeMemory {
  // Holders in the order in which their sessions lost their sockets; some do not wait any more.
  std::deque<ConnectionId> by_age;
  // Of holders: whether the messages that did not reach their sockets were asked back, or have all come.
  enum class Recall { kAsked, kDone };
  std::unordered_map<ConnectionId, Recall> recalls;
  // Connections that wait to get the session of a holder.
  std::unordered_map<ConnectionId, ConnectionId> successors;
  // Connections that were given the session of a holder, as long as they may not know of it.
  struct HandedOver {
    ConnectionId holder;
    bool before_wake = false;  // what was sent to them then may be lost, or not
  };
  std::unordered_map<ConnectionId, HandedOver> unconfirmed;
  // Holders for whom the hub, when it went to sleep, was waiting for something that has to be asked for
  // again.
  std::vector<ConnectionId> to_ask_again;
};

// delivery/flow_control.h: its rows, and the way back from a producer to its targets.
struct CongestionMemory {
  bool known = false;
  std::unordered_map<ConnectionId, Congestion> targets;
  std::unordered_map<ConnectionId, std::set<ConnectionId>> told;  // producer -> congested targets
};

// messages/delivery.h: messages whose event came again.
struct RepetitionMemory {
  // Kept messages that a repeated event was found to have written: another one like it wrote another one.
  std::unordered_set<std::string> found_again;
  // Origins and recipients (TimeOrderedIds::TailOf a key) of messages that a repeated event has kept: coming
  // back from a socket, they are there already.
  std::unordered_multiset<std::string> kept_again;
  // By sender: the ids that its repeated events of one millisecond got.
  struct LateIds {
    int64_t arrived_ms = 0;
    uint32_t count = 0;
  };
  std::unordered_map<ConnectionId, LateIds> late_ids;
};

struct HubMemory {
  AbsentIndex absent;
  ResumeMemory resume;
  CongestionMemory congestion;
  RepetitionMemory repetition;
  SentLog sent_log;

  // Bad tokens in a row, of connections that have shown some.
  std::unordered_map<ConnectionId, int> failed_connects;

  // For hub:metrics and hub:queue_stats, since the hub woke.
  Throughput throughput;
  int64_t awake_since_ms = 0;
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;  // each recipient's copy counted

  ResumeMetrics* resume_metrics = nullptr;  // nullptr: nobody wants them

  // A socket that is open has been heard within this time (from options, constant).
  int64_t heard_within_ms = INT64_MAX;
};

}  // namespace dormouse::signal
