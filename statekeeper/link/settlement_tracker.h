// Which events are settled: their writes are durable (they were released), and every gateway that got output
// of them has acknowledged it. Keeps a record only of those whose output other gateways than their own must
// acknowledge, of those behind them, and of what is no event (an alarm) but whose sender wants to know.
//
//   gateways acknowledge the output -> the event's own gateway is told that it is settled, and acknowledges
//   that -> the others are told to forget the event: it cannot come again
//
// Events of one gateway and shard are settled in the order in which they were released: else a replay could
// run an earlier event on top of the effects of a later one. A gateway that knows a later owner of the shard
// ignores what is said here of it, although it acknowledges the batch: nothing of that is settled here then,
// the new owner does it.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/shard.h"
#include "proto/packed.h"
#include "statekeeper/link/delivery_fanout.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/gateway_table.h"
#include "statekeeper/link/owned_shards.h"

namespace dormouse {

class SettlementTracker {
 public:
  // Both outlive it.
  SettlementTracker(GatewayTable* gateways, const OwnedShards* owned) : gateways_(gateways), owned_(owned) {}

  // Whether an event of this gateway and shard that was released before is not settled yet.
  bool HasUnsettled(GatewayId gateway, ShardId shard) const {
    return !unsettled_.empty() && unsettled_.contains({gateway, shard});
  }
  // It was released, and these gateways got output of it. Takes `acknowledged`.
  void Track(EventOutput* event, std::span<const DeliveryFanout::Part> parts);

  void OnAcknowledged(GatewayId gateway, uint64_t through);
  // The gateway ignores epochs of the shard before this one.
  void OnStale(GatewayId gateway, ShardId shard, uint32_t epoch) { stale_[{gateway, shard}] = epoch; }
  // Events of this gateway and shard come again, or another owner has them: they are not settled here.
  void Forget(GatewayId gateway, ShardId shard) {
    if (!unsettled_.empty()) unsettled_.erase({gateway, shard});
  }
  // The same for all shards; nor may others forget events of which the gateway has not heard that they are
  // settled.
  void OnAfresh(GatewayId gateway);
  // The lane has given it up (it is not in the table any more): nobody waits for it.
  void OnGivenUp(GatewayId gateway);

  // Memory for what this gateway has to acknowledge.
  uint64_t BytesOf(GatewayId gateway) const;

 private:
  struct Settlement {
    Cause cause;
    ShardId shard = 0;
    uint32_t epoch = 0;
    bool telling = false;  // the event's own gateway, that it is settled; else others have the output
    uint32_t awaited = 0;  // acknowledgements until that is over
    bool ignored = false;  // by a gateway that knows a newer owner: never settled here
    std::vector<GatewayId> foreign;  // gateways that got output, without the event's own
    std::function<void()> acknowledged;
  };
  using Key = std::pair<GatewayId, ShardId>;
  using Settlements = std::list<std::shared_ptr<Settlement>>;
  // In the order of batches.
  using Awaited = std::deque<std::pair<uint64_t, std::shared_ptr<Settlement>>>;

  // The session of its cause's gateway, if the lane has events of that in this epoch; nullptr: else.
  GatewaySession* OwnOf(const Settlement& settlement) const;
  // One acknowledgement of the settlement is there.
  void Advance(const std::shared_ptr<Settlement>& settlement);
  // All are.
  void OnAllAcknowledged(const std::shared_ptr<Settlement>& settlement);
  // Tells the gateway of all that are acknowledged and have none before them that is not.
  void TellSettled(GatewaySession* own, ShardId shard);
  void TellForget(const Settlement& settlement);

  GatewayTable* const gateways_;
  const OwnedShards* const owned_;
  absl::flat_hash_map<GatewayId, Awaited> awaited_;  // by who is to acknowledge
  // By cause, in the order in which they were released, until their gateway is told; none is empty.
  absl::flat_hash_map<Key, Settlements> unsettled_;
  absl::flat_hash_map<Key, uint32_t> stale_;  // epochs
};

}  // namespace dormouse
