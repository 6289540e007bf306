// Collects the writes that hubs make during one turn of a lane's loop and commits them together: per shard
// one atomic step, all shards in one pipeline, one answer each back to its hubs.
//
// One lane's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class CommitGroup {
 public:
  struct Callbacks {
    // The store's alarm index now says this of a hub (0: none).
    std::function<void(ShardId, int64_t due_ms)> indexed;
    // Another owner has the shard.
    std::function<void(const ShardEpoch&)> fenced;
    // One commit was answered; before its hubs hear of it.
    std::function<void(const ShardEpoch&, StoreStatus)> answered;
    // Goes to the store next. May be left out.
    std::function<void(const ShardCommit&)> leaving = {};
    // A commit was answered: how long that took. May be left out.
    std::function<void(std::chrono::nanoseconds)> took = {};
  };

  CommitGroup(Store* store, Callbacks callbacks) : store_(store), callbacks_(std::move(callbacks)) {}

  void Add(std::shared_ptr<AwakeHub> hub) { hubs_.push_back(std::move(hub)); }
  // Hands everything that was added to the store.
  void Flush();

 private:
  struct Member {
    std::weak_ptr<AwakeHub> hub;
    uint64_t number;
    std::optional<int64_t> due_ms;
  };
  void OnAnswer(const ShardEpoch& shard, const std::vector<Member>& members, StoreStatus status,
                std::chrono::steady_clock::time_point begun);

  Store* const store_;
  const Callbacks callbacks_;
  std::vector<std::shared_ptr<AwakeHub>> hubs_;
};

}  // namespace dormouse
