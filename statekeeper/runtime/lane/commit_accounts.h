// What a lane notes of every commit, whoever makes it: hubs (commit_group.h) or a restore (hub_restorer.h).
// Readings of hubs hear of it before it goes to the store, metrics and gateways when it is answered.
//
// One lane's thread.
#pragma once

#include <functional>
#include <utility>

#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/hub_readings.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class CommitAccounts {
 public:
  // All outlive it.
  struct Parts {
    Store* store;
    FiberPool* fibers;
    AwakeHubs* hubs;
    GatewayLinks* links;
    LaneMetrics* metrics;
  };
  // `fenced`: another owner has the shard.
  CommitAccounts(const Parts& parts, std::function<void(const ShardEpoch&)> fenced)
      : parts_(parts), fenced_(std::move(fenced)) {}

  void OnLeaving(const ShardCommit& commit) { readings_.Note(commit); }
  void OnAnswered(const ShardEpoch& shard, StoreStatus status);

  // A commit that no hub makes. On a fiber, which waits for the answer.
  StoreStatus Commit(ShardCommit commit);

  HubReadings& readings() { return readings_; }

 private:
  const Parts parts_;
  const std::function<void(const ShardEpoch&)> fenced_;
  HubReadings readings_;
};

}  // namespace dormouse
