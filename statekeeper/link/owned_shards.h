// The shards that a lane owns, each in the epoch of its ownership, and how many of their commits are durable;
// and how gateways are told of that (link::Owned). The shards of a lane are those whose number modulo the
// number of lanes is its own, so a table of them is dense: its index is the number divided by that of lanes.
//
// Plain data; one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "proto/link.pb.h"

namespace dormouse {

class OwnedShards {
 public:
  OwnedShards(uint32_t lane, uint32_t lanes) : lane_(lane), lanes_(lanes) {}

  bool IsOfLane(ShardId shard) const { return shard % lanes_ == lane_; }

  // 0: not owned.
  uint32_t EpochOf(ShardId shard) const {
    const size_t i = shard / lanes_;
    return i < shards_.size() ? shards_[i].epoch : 0;
  }
  void Own(const ShardEpoch& shard) { At(shard.shard)->epoch = shard.epoch; }
  void Disown(ShardId shard) { At(shard)->epoch = 0; }

  uint64_t CommitsOf(ShardId shard) const {
    const size_t i = shard / lanes_;
    return i < shards_.size() ? shards_[i].commits : 0;
  }
  void SetCommits(ShardId shard, uint64_t commits) { At(shard)->commits = commits; }

  // Adds what a gateway is told of it; nothing where it is not owned.
  void Describe(ShardId shard, link::ToGateway* message) const;
  void DescribeAll(link::ToGateway* message) const;

 private:
  struct Shard {
    uint32_t epoch = 0;
    uint64_t commits = 0;  // known also before the shard is owned
  };

  Shard* At(ShardId shard);

  const uint32_t lane_;
  const uint32_t lanes_;
  std::vector<Shard> shards_;
};

}  // namespace dormouse
