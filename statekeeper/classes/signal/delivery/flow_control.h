// Tells producers that a target reads more slowly than they send, and when it has caught up.
//
//   q/CONNECTION    Congestion: a target, what waits for it at its gateway, and who was told
//
// A target is congested from the gateway's pause mark until its resume mark, or until it is gone. Each
// connection that sends to it meanwhile gets one hub:pause {reason, targets}; and, once no target that it was
// told about is congested any more, one hub:resume {}. Pause is advice: messages are delivered all the same.
//
// Rows are written only when something of that changes. In memory are the congested targets, read anew by the
// first message that needs them after the hub woke; without congestion a message costs a look into an empty
// map. Both are bounded: kProducersPerTarget, kTargetsPerProducer; who is beyond is not told.
//
// What a target's rows said when it caught up stays until it is congested again or gone: the same event may
// come again after a crash, and must be answered again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/classes/signal/state/hub_memory.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class FlowControl {
 public:
  static constexpr int kProducersPerTarget = 256;
  static constexpr size_t kTargetsPerProducer = 16;

  // Lives within one handler. Reads the rows unless `memory` has them.
  FlowControl(Context& context, CongestionMemory& memory);

  // What the gateway says of a connection. See Hub::OnBackpressure.
  void OnBackpressure(const ConnectionId& target, bool paused, const Backlog& backlog);
  // A connection is gone: as a target, and as a producer.
  void OnEnd(const ConnectionId& connection);

  bool IsCongested(const ConnectionId& target) const;
  struct Target {
    ConnectionId connection;
    std::string address;  // bare
  };
  // Who sent a message, and which.
  struct Producer {
    ConnectionId connection;
    Address address;        // as it writes itself
    int64_t sent_ms = 0;    // the message's arrival
    bool repeated = false;  // the message may have been handled before
  };
  // The producer's message went to these congested targets.
  void TellProducer(const Producer& producer, const std::vector<Target>& targets);

  // Messages that wait at gateways for congested targets, as last reported.
  uint64_t waiting_messages() const;

 private:
  void Save(const ConnectionId& target, const Congestion& congestion);
  // Whether the producer has to be told of the target; notes that it was.
  bool Note(const Producer& producer, const ConnectionId& target);
  // The target is congested no more: its producers may go on.
  void Release(const ConnectionId& target, const Congestion& congestion);

  Context& context_;
  CongestionMemory& memory_;
};

}  // namespace dormouse::signal
