// Calls of hubs from within this process: to its own lanes.
//
// Any thread, once Use was called.
#pragma once

#include <string>

#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/runtime/lane/lane_shards.h"

namespace dormouse {

class HubCalls final : public HubCaller {
 public:
  // Outlives it. Before any lane runs.
  void Use(LaneShards* shards) { shards_ = shards; }

  void Call(std::string hub, std::string payload, int64_t timeout_ms, Done done) override;

 private:
  LaneShards* shards_ = nullptr;
};

}  // namespace dormouse
