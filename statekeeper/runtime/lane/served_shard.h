// A shard that a lane serves: its hubs in memory, and events that wait because it is being handed over, or
// because the lane may not serve for the moment. Asleep, a hub costs nothing here.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/shard.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

struct ServedShard {
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  using Hubs = std::unordered_map<std::string, std::shared_ptr<AwakeHub>, NameHash, std::equal_to<>>;

  struct Waiting {
    std::string hub;
    HubEvent event;
  };

  uint32_t epoch = 0;
  uint32_t attempts = 0;   // not 0: what was there before is suspect, HubEvent::attempts
  int64_t claimed_ms = 0;  // wall clock
  bool retired = false;
  bool alarm_waits = false;  // one was due while it could not ring
  Hubs hubs;
  // In the order of arrival. Bounded by what gateways may have unacknowledged.
  std::deque<Waiting> waiting;
};

}  // namespace dormouse
