// One event (or alarm) whose output went to gateways that must acknowledge it before it counts as settled.
//
//   kDelivering: gateways acknowledge the output -> kTelling: the event's own gateway acknowledges that it is
//   settled
//   -> the others are told to forget it.
//
// Plain data; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/ids.h"
#include "proto/packed.h"

namespace dormouse {

struct Settlement {
  enum class Phase { kDelivering, kTelling };

  Cause cause;
  ShardId shard = 0;
  uint32_t epoch = 0;
  Phase phase = Phase::kDelivering;
  uint32_t awaited = 0;            // acknowledgements that this phase still needs
  bool ignored = false;            // by a gateway that knows a newer owner: never settled here
  std::vector<GatewayId> foreign;  // gateways that got output, without the event's own
  std::function<void()> acknowledged;
};

}  // namespace dormouse
