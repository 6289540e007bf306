#include "statekeeper/link/owned_shards.h"

namespace dormouse {

OwnedShards::Shard* OwnedShards::At(ShardId shard) {
  const size_t i = shard / lanes_;
  if (shards_.size() <= i) shards_.resize(i + 1);
  return &shards_[i];
}

void OwnedShards::Describe(ShardId shard, link::ToGateway* message) const {
  const uint32_t epoch = EpochOf(shard);
  if (epoch == 0) return;
  link::Owned* owned = message->add_owned();
  owned->set_shard(shard);
  owned->set_epoch(epoch);
  owned->set_commits(CommitsOf(shard));
}

void OwnedShards::DescribeAll(link::ToGateway* message) const {
  for (size_t i = 0; i < shards_.size(); ++i) Describe(static_cast<ShardId>(i * lanes_ + lane_), message);
}

}  // namespace dormouse
