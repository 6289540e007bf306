// What ownership tells the lanes of shards: Serve, Retire, Reinstate, Drop, and nothing else; in which states of
// a shard, says the table in statekeeper/ownership/shards/shard_state.h. Implemented over all lanes of a
// process (statekeeper/runtime/lane/lane_shards.h); each call concerns shards of any lanes.
//
// Threading: call from any thread; what concerns one shard is carried out in the order of the calls.
// Callbacks run on a lane's thread: pass them on to your own.
#pragma once

#include <functional>
#include <vector>

#include "common/shard.h"
#include "common/time.h"

namespace dormouse {

// A shard that this process has taken.
struct TakenShard {
  ShardId shard = 0;
  uint32_t epoch = 0;
  uint32_t crashes = 0;  // how many owners in a row have not lived to give it away (ClusterStore::Claim)
  uint64_t commits = 0;  // that the store knows of the shard (ShardRecord)
};

class ShardServers {
 public:
  virtual ~ShardServers() = default;

  // This process owns them now, in these epochs: the lanes take their events, gateways are told. `done`: it
  // is so; only then may a shard map say it.
  virtual void Serve(std::vector<TakenShard> shards, std::function<void()> done) = 0;

  // Prepares the hand-over of shards: their new events wait, what was taken is handled, made durable and
  // acknowledged by gateways, and hubs leave memory. `done` when that is so, or after `patience`: then the
  // next owner gets again, from the gateways, what was not finished. It can be taken back: Reinstate, Drop, or
  // Serve in a later epoch follows.
  virtual void Retire(std::vector<ShardId> shards, Duration patience, std::function<void()> done) = 0;

  // Shards that were retired stay after all: what waits is handled. No effect on others.
  virtual void Reinstate(std::vector<ShardId> shards) = 0;

  // Another owner has them: their hubs leave memory as they are, and nothing more is sent of them. No effect
  // where the shard is served in a later epoch than the one named (that of the last own one).
  virtual void Drop(std::vector<ShardEpoch> shards) = 0;
};

}  // namespace dormouse
