// Lanes that only note what they are told, and whether that makes sense.
//
// Threading: any.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/ownership/shard_servers.h"

namespace dormouse {

class FakeShardServers final : public ShardServers {
 public:
  struct Served {
    uint32_t epoch = 0;
    uint32_t crashes = 0;
    bool retired = false;
  };

  void Serve(std::vector<TakenShard> shards, std::function<void()> done) override {
    {
      const std::lock_guard lock(mutex_);
      for (const TakenShard& shard : shards) {
        if (served_.contains(shard.shard) && served_[shard.shard].epoch >= shard.epoch) {
          violations_.push_back("served anew without a later epoch");
        }
        served_[shard.shard] = {shard.epoch, shard.crashes, false};
      }
      if (holding_) return held_.push_back(std::move(done));
    }
    done();
  }

  void Retire(std::vector<ShardId> shards, Duration, std::function<void()> done) override {
    {
      const std::lock_guard lock(mutex_);
      for (const ShardId shard : shards) {
        if (!served_.contains(shard)) violations_.push_back("retired what is not served");
        served_[shard].retired = true;
      }
      if (holding_) return held_.push_back(std::move(done));
    }
    done();
  }

  void Reinstate(std::vector<ShardId> shards) override {
    const std::lock_guard lock(mutex_);
    for (const ShardId shard : shards) {
      if (served_.contains(shard)) served_[shard].retired = false;
    }
    resumed_ += shards.size();
  }

  void Drop(std::vector<ShardEpoch> shards) override {
    const std::lock_guard lock(mutex_);
    for (const ShardEpoch& shard : shards) {
      const auto at = served_.find(shard.shard);
      if (at == served_.end() || at->second.epoch > shard.epoch) continue;
      ++(at->second.retired ? moved_ : torn_);
      served_.erase(at);
    }
  }

  // As a lane that finds itself fenced: it drops the shard.
  void Fence(ShardId shard) {
    const std::lock_guard lock(mutex_);
    served_.erase(shard);
  }

  // From now on nothing is done; false: all that was begun is done.
  void Hold(bool hold) {
    std::vector<std::function<void()>> done;
    {
      const std::lock_guard lock(mutex_);
      holding_ = hold;
      if (!hold) done.swap(held_);
    }
    for (const auto& call : done) call();
  }

  std::map<ShardId, Served> served() const {
    const std::lock_guard lock(mutex_);
    return served_;
  }
  size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  size_t moved() const { return Locked(moved_); }      // dropped after they had been retired
  size_t torn() const { return Locked(torn_); }        // dropped without
  size_t resumed() const { return Locked(resumed_); }  // after they had been retired
  std::vector<std::string> violations() const {
    const std::lock_guard lock(mutex_);
    return violations_;
  }

 private:
  size_t Locked(const size_t& count) const {
    const std::lock_guard lock(mutex_);
    return count;
  }

  mutable std::mutex mutex_;
  std::map<ShardId, Served> served_;
  bool holding_ = false;
  std::vector<std::function<void()>> held_;
  size_t moved_ = 0;
  size_t torn_ = 0;
  size_t resumed_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace dormouse
