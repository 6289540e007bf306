// Recalls: hubs ask back the returnable output to a connection that is closed. Who has it depends on the
// gateway:
//
//   linked      the gateway. It is sent a close of what is closed: that changes nothing, and when it is
//               acknowledged everything before it has met the connection's end and has come back
//   not linked  its session's outbox, as far as it has not acknowledged it (ReturnIndex)
//   given up    an index of what can be returned, which is kept for a grace period
//
// A gateway that links again, also after it was given up, may get the same output after all and send the same
// frames back: those that were taken here are known for a grace period, and do not come twice.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/ids.h"
#include "common/shard.h"
#include "proto/packed.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/gateway_table.h"
#include "statekeeper/link/return_index.h"

namespace dormouse {

class RecallTracker {
 public:
  // `gateways` outlives it. Of a gateway that was given up it keeps at most `max_bytes`.
  RecallTracker(GatewayTable* gateways, Duration grace, uint64_t max_bytes)
      : gateways_(gateways), grace_ms_(grace.count()), max_bytes_(max_bytes) {}

  // As GatewayLinks'.
  void Recall(const ConnectionId& closed, const ShardEpoch& shard, GatewayLinks::Recalled done);

  // The gateway has linked. What it acknowledged on another stream says nothing of the events that were lost
  // with that: it is asked anew.
  void OnLinked(GatewaySession* gateway);
  // Behind the events of the same message.
  void OnAcknowledged(const GatewaySession& gateway);
  void OnLost(GatewaySession* gateway);
  // The lane has given it up. Returns the hubs ("CLASS/NAME") some of whose output is kept.
  std::vector<std::string> OnGivenUp(GatewaySession* gateway);

  // Of a gateway that was given up: what would have been sent to it since.
  void Keep(GatewayId gateway, uint64_t connection, const ReturnIndex::Late& late, int64_t now_ms);

  // A frame comes back that was taken back here. Says so once for each time that it was.
  bool IsReturnedTwice(GatewayId gateway, const EventView& event);

  // Memory that it takes beside the session's.
  uint64_t BytesOf(GatewayId gateway) const;

  // Forgets what was kept long enough; when there is more of that; steady clock.
  void Expire(int64_t now_ms);
  int64_t NextExpiryMs() const;

 private:
  struct Pending {
    uint64_t batch = 0;  // it is over when that is acknowledged
    ConnectionId closed;
    ShardEpoch shard;
    std::vector<std::string> frames;  // that are here, from before the gateway was given up
    GatewayLinks::Recalled done;
  };
  struct Gateway {
    std::deque<Pending> pending;                  // in the order of batches; none while it is not linked
    std::unique_ptr<ReturnIndex> unacknowledged;  // of its session; present if something was taken from that
    int64_t unacknowledged_end_ms = 0;            // while it is linked
    std::vector<ReturnIndex> given_up;            // one for each time that it was, oldest first
    int64_t given_up_end_ms = 0;

    uint64_t given_up_bytes() const;
    std::vector<std::string> TakeGivenUp(uint64_t connection);
  };

  Gateway* Find(GatewayId id) const;
  Gateway* FindOrAdd(GatewayId id);
  static std::vector<std::string> TakeUnacknowledged(Gateway* state, GatewaySession* gateway,
                                                     uint64_t connection);
  void Ask(Gateway* state, GatewaySession* gateway, Pending recall);
  static void Finish(Pending recall, std::vector<std::string> frames);
  bool IsLinked(GatewayId id) const;

  GatewayTable* const gateways_;
  const int64_t grace_ms_;
  const uint64_t max_bytes_;
  // Those of which something was recalled. They go in Expire alone: who is called may recall more.
  absl::flat_hash_map<GatewayId, std::unique_ptr<Gateway>> state_;
};

}  // namespace dormouse
