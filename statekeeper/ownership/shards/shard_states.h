// In which state each shard is at this member (shard_state.h), and in which epoch its lane has it. Nothing
// else moves them, and nothing else tells lanes to resume or to drop a shard.
//
// Threading: the ownership's thread.
#pragma once

#include <prometheus/gauge.h>

#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/ownership/shards/shard_state.h"

namespace dormouse {

class ShardStates {
 public:
  // `lanes` and `held`, the number of shards that they have, outlive it.
  ShardStates(uint32_t shard_count, ShardServers* lanes, prometheus::Gauge* held);

  size_t size() const { return shards_.size(); }
  ShardState at(ShardId shard) const { return shards_[shard].state; }
  // In which its lane has it; of a shard in kLost, had it.
  uint32_t epoch(ShardId shard) const { return shards_[shard].epoch; }
  // Of a shard that is being claimed, or was: its state before that.
  ShardState before_claim(ShardId shard) const { return shards_[shard].before_claim; }
  // Whether its lane has it in this very epoch. If not, what is heard of that epoch is of an earlier life.
  bool Has(const ShardEpoch& shard) const {
    return IsHeld(at(shard.shard)) && epoch(shard.shard) == shard.epoch;
  }
  size_t held() const { return held_; }  // shards that lanes have
  std::vector<ShardEpoch> Held() const;

  // False: the event says nothing now. `epoch`: of kClaimWon, the new one.
  bool Apply(ShardEvent event, ShardId shard, uint32_t epoch = 0);
  // Lanes are told what has come of it since the last call.
  void TellLanes();

 private:
  struct Shard {
    ShardState state = ShardState::kElsewhere;
    ShardState before_claim = ShardState::kElsewhere;
    uint32_t epoch = 0;
  };

  ShardServers* const lanes_;
  prometheus::Gauge* const held_gauge_;
  std::vector<Shard> shards_;
  size_t held_ = 0;
  std::vector<ShardId> to_reinstate_;
  std::vector<ShardEpoch> to_drop_;
};

}  // namespace dormouse
