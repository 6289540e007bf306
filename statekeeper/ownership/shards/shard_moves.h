// Planned moves of shards to other members: retired at their lanes, then offered, then dropped. A few small
// batches at once to each member, so that a shard is still for as short a time as possible, and no member is
// flooded.
//
// Threading: the ownership's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "common/loop/task_queue.h"
#include "common/shard.h"
#include "common/time.h"
#include "statekeeper/ownership/members/ownership_metrics.h"
#include "statekeeper/ownership/members/peer_offers.h"
#include "statekeeper/ownership/shard_servers.h"

namespace dormouse {

class ShardMoves {
 public:
  static constexpr size_t kBatchShards = 16;  // the slowest shard of a batch holds it up
  static constexpr size_t kBatchesPerMember = 4;

  // The owner of the moves; each shard that was started ends in exactly one of the last three.
  class Owner {
   public:
    virtual ~Owner() = default;
    // It has retired: whether it is still to go there.
    virtual bool IsToMove(const ShardEpoch& shard, MemberId to) const = 0;
    // Who is not to own it.
    virtual MemberId AvoidedBy(ShardId shard) const = 0;
    // Another member owns it, in the epoch `now`.
    virtual void OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) = 0;
    // It was not offered, or the member has refused it for certain.
    virtual void OnRefused(const std::vector<ShardEpoch>& shards) = 0;
    // It may have been claimed, or may yet be. Also of shards that were to move to this member itself.
    virtual void OnUnclear(const std::vector<ShardEpoch>& shards) = 0;
  };

  ShardMoves(MemberId self, ShardServers* servers, PeerOffers* peers, std::shared_ptr<TaskQueue> queue,
             OwnershipMetrics* metrics, Owner* owner);

  // How many shards may start to move there now; 0 where it cannot be reached, and for a while after a
  // failure.
  size_t Room(MemberId to, SteadyTime now) const;
  // At most Room(to) shards. `to` may be this member: then it only retires.
  void Start(MemberId to, const std::vector<ShardEpoch>& shards);

 private:
  using Shards = std::vector<ShardEpoch>;
  struct Traffic {
    size_t batches = 0;  // under way
    SteadyTime not_before;
  };

  void StartBatch(MemberId to, Shards shards);
  void OnRetired(MemberId to, const Shards& shards, SteadyTime began);
  void OnAnswer(MemberId to, const Shards& shards, SteadyTime began,
                std::unique_ptr<peer::OfferAnswer> answer);
  void Failed(MemberId to, size_t shards);

  const MemberId self_;
  ShardServers* const servers_;
  PeerOffers* const peers_;
  const std::shared_ptr<TaskQueue> queue_;
  OwnershipMetrics* const metrics_;
  Owner* const owner_;
  std::map<MemberId, Traffic> traffic_;
};

}  // namespace dormouse
