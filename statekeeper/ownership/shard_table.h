// Who owns which shard, as far as this member knows: from the table in the store, from records that it read,
// and from its own moves. Never goes back to a lower epoch, save where a record says so.
//
// Threading: the ownership's.
#pragma once

#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "statekeeper/ownership/member.h"
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
  explicit ShardTable(uint32_t shard_count) : shards_(shard_count) {}

  size_t size() const { return shards_.size(); }
  const KnownShard& at(ShardId shard) const { return shards_[shard]; }

  // An entry of the store's table. False: it says nothing new.
  bool Learn(const ShardEntry& entry);
  // A record, or a move of one's own: what was known before does not count.
  void Set(ShardId shard, KnownShard known) { shards_[shard] = known; }

  ShardEntry Entry(ShardId shard) const;

 private:
  std::vector<KnownShard> shards_;
};

}  // namespace dormouse
