// What a lane is set up with.
#pragma once

#include <cstdint>
#include <functional>

#include "common/config/options.h"
#include "common/lease.h"
#include "common/shard.h"
#include "common/tracing/tracer.h"
#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/runtime/hub/hub_limits.h"
#include "statekeeper/runtime/lane/suspect_turn.h"

namespace dormouse {

struct LaneConfig {
  uint32_t lane = 0;
  uint32_t shard_count = 1024;  // of the cluster
  Duration hibernate_after{};
  Duration reap_interval{};
  Duration gateway_grace{};
  HubLimits limits;  // of each hub
  uint32_t max_handlers = 250;
  uint32_t max_awake = 20'000;
  Duration store_timeout{5'000};  // of a call
  uint32_t max_attempts = 3;
  SuspectTurn* suspects = nullptr;  // of the process; outlives the lane
  HubCaller* caller = nullptr;      // outlives the lane; nullptr: its hubs call no others
  const Lease* lease = nullptr;     // outlives the lane
  Tracer* tracer = nullptr;         // outlives the lane; nullptr: nothing is traced
  // A commit was refused: another owner has the shard, and the lane has forgotten it. On the lane's thread.
  std::function<void(ShardEpoch)> fenced;
  // A gateway knows the shard in an epoch above this lane's. On the lane's thread; may be left out.
  std::function<void(ShardEpoch)> spoken_of = {};
};

}  // namespace dormouse
