// Which shards a lane serves: its part of ShardServers (shard_servers.h).
//
//   not here --Serve--> served --Retire--> retired: events wait, hubs come to rest --Reinstate--> served
//   served, retired --Drop, or a refused commit--> not here: its hubs are deposed
//
// A retired shard is handed over when its hubs have left memory and gateways know of all that was settled.
// Whoever drops it, or finds by a refused commit that it has another owner, says no more of it to anybody:
// the owner does.
//
// One lane's thread.
#pragma once

#include <functional>
#include <vector>

#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/runtime/lane/alarm_clock.h"
#include "statekeeper/runtime/lane/awaited.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/hub_router.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/lane_metrics.h"

namespace dormouse {

class ShardService {
 public:
  // All outlive it.
  struct Parts {
    AwakeHubs* hubs;
    WaitingRoom* room;
    HubRouter* router;
    AlarmClock* alarms;
    GatewayLinks* links;
    Awaited* awaited;
    LaneMetrics* metrics;
  };
  ShardService(const LaneConfig& config, const Parts& parts) : config_(config), parts_(parts) {}

  // --- See ShardServers.
  void Serve(const std::vector<TakenShard>& shards);
  void Retire(const std::vector<ShardId>& shards, Duration patience, std::function<void()> done);
  void Reinstate(const std::vector<ShardId>& shards);
  void Drop(const std::vector<ShardEpoch>& shards);

  // A commit was refused.
  void OnFenced(const ShardEpoch& shard);

 private:
  // In that epoch, and retired: to be handed over still.
  bool IsRetired(const ShardEpoch& shard);
  // What has not begun waits with the shard, as what comes from now on does, before that.
  void ReturnWaiting(const std::vector<ShardEpoch>& shards);
  void Quiesce(std::vector<ShardEpoch> shards, int64_t deadline_ms, std::function<void()> done);
  void Forget(ShardId shard);
  void Count();

  const LaneConfig& config_;
  const Parts parts_;
};

}  // namespace dormouse
