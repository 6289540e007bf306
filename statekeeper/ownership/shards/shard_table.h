// Who owns which shard, as far as this member knows: from the table in the store, from records that it read,
// and from its own moves. Never goes back to a lower epoch, save where a record says so; and remembers the
// highest epoch of each shard for good, for a record that says less is of a time that is over.
//
// Threading: the ownership's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "statekeeper/ownership/members/member.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

struct KnownShard {
  MemberId owner = 0;  // 0: nobody that is known
  uint32_t epoch = 0;  // 0: never owned, as far as is known
  MemberId avoid = 0;
  friend bool operator==(const KnownShard&, const KnownShard&) = default;
};

class ShardTable {
 public:
  explicit ShardTable(uint32_t shard_count) : shards_(shard_count), highest_(shard_count) {}

  size_t size() const { return shards_.size(); }
  const KnownShard& at(ShardId shard) const { return shards_[shard]; }

  // An entry of the store's table. False: it says nothing new.
  bool Learn(const ShardEntry& entry);
  // A record, or a move of one's own: what was known before does not count.
  void Set(ShardId shard, KnownShard known) {
    shards_[shard] = known;
    Saw(shard, known.epoch);
  }

  // The highest epoch of the shard that anybody is known to have spoken of.
  uint32_t highest(ShardId shard) const { return highest_[shard]; }
  void Saw(ShardId shard, uint32_t epoch) { highest_[shard] = std::max(highest_[shard], epoch); }

  ShardEntry Entry(ShardId shard) const;

 private:
  std::vector<KnownShard> shards_;
  std::vector<uint32_t> highest_;
};

}  // namespace dormouse
