// Which events of one gateway a lane has received: so that each is handed over once, in its order, and only
// in the epoch in which the lane owns its shard.
//
//   from another epoch than the lane's   skipped: the gateway sends it again when it knows better
//   behind one that was skipped so       skipped, until that one has come: a later event must not overtake it
//   received before                      skipped
//   else                                 the next of its shard
//
// Plain data; one thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "proto/packed.h"

namespace dormouse {

class ReceivedEvents {
 public:
  // Of a process with so many lanes.
  explicit ReceivedEvents(uint32_t lanes) : lanes_(lanes) {}

  enum class Verdict {
    kSkip,
    kNext,
    kFirst,  // likewise, and the first one in this epoch: what was known of the shard is void
  };
  // `owned`: the epoch in which the lane owns the event's shard; 0: it does not.
  Verdict Receive(const EventView& event, uint32_t owned);

  // Whether an event of the shard was received in this epoch (and that is not forgotten).
  bool Has(ShardId shard, uint32_t epoch) const {
    const size_t i = shard / lanes_;
    return i < shards_.size() && shards_[i].epoch == epoch;
  }
  // The first event of the shard in this epoch: all before it were settled. 0: there is none.
  uint64_t FirstOf(ShardId shard, uint32_t epoch) const {
    return Has(shard, epoch) ? shards_[shard / lanes_].first : 0;
  }

  // Notes that the gateway is told of so many commits, in an epoch in which the lane Has events of it. False:
  // it has been.
  bool TellCommits(ShardId shard, uint64_t commits);

  // The lane's shard, or all, as if nothing had been received; what is behind a skipped event stays so.
  void Forget(ShardId shard);
  void ForgetAll() { shards_.clear(); }

 private:
  struct Shard {
    uint32_t epoch = 0;
    uint64_t first = 0;
    uint64_t through = 0;
    uint64_t commits = 0;  // that the gateway was told of in this epoch
  };
  // The first event that came in an epoch before the lane owned it.
  struct Skipped {
    uint32_t epoch = 0;
    uint64_t sequence = 0;
  };

  bool IsInTurn(const EventView& event, uint32_t owned);

  const uint32_t lanes_;
  std::vector<Shard> shards_;                      // by shard / lanes
  absl::flat_hash_map<ShardId, Skipped> skipped_;  // mostly empty
};

}  // namespace dormouse
