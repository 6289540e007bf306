// How a lane reads hubs for whoever keeps copies of them (hub_copy.h).
//
// From the store, where there is nothing but what was committed, and one read after the other: so a copy
// takes no hub's turn, and little of the store's time at once.
//
// One lane's thread; `done` runs on it, once, now or later.
#pragma once

#include <cstdint>
#include <string>

#include "common/shard.h"
#include "statekeeper/runtime/hub_copy.h"
#include "statekeeper/runtime/lane/commit_accounts.h"
#include "statekeeper/runtime/lane/hub_router.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class HubReader {
 public:
  // All outlive it.
  struct Parts {
    AwakeHubs* hubs;
    HubRouter* router;
    CommitAccounts* commits;
    HubHost* host;
  };
  HubReader(const LaneConfig& config, const Parts& parts) : config_(config), parts_(parts) {}

  // --- See LaneOperator.
  void ReadHubs(ShardId shard, const std::string& after, LaneOperator::Answer<HubsPage> done);
  void ReadHub(const std::string& hub, uint64_t reading, uint32_t page, LaneOperator::Answer<HubPage> done);

  // Whether a fiber that waits for the store may begin, for a shard that is served in this epoch.
  OperatorStatus MayBegin(ShardId shard, ShardEpoch* epoch);

 private:
  OperatorStatus ReadShardOnFiber(ShardId shard, const std::string& after, HubsPage* page);
  OperatorStatus ReadOnFiber(const ShardEpoch& shard, uint64_t reading, uint32_t number, HubPage* page);

  const LaneConfig& config_;
  const Parts parts_;
};

}  // namespace dormouse
