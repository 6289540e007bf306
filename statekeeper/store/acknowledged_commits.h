// What a Store has been told of its shards' commits: see Commits in store.h.
//
// Plain data; one thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "common/shard.h"

namespace dormouse {

class AcknowledgedCommits {
 public:
  void Note(const ShardEpoch& shard, uint64_t commits) { known_[shard.shard] = {shard.epoch, commits}; }
  // 0: none in this epoch.
  uint64_t Of(const ShardEpoch& shard) const {
    const auto found = known_.find(shard.shard);
    return found != known_.end() && found->second.epoch == shard.epoch ? found->second.commits : 0;
  }

 private:
  struct Known {
    uint32_t epoch = 0;
    uint64_t commits = 0;
  };
  std::unordered_map<ShardId, Known> known_;
};

}  // namespace dormouse
