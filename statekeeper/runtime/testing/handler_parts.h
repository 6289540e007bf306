// The same, with all that handlers of events need (event_handler.h).
#pragma once

#include "statekeeper/runtime/hub/event_handler.h"
#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {

struct HandlerParts : HubParts {
  AlarmRun alarm{name, shard, &state, &host};
  RollCaller roll_caller{shard.epoch, &state, &queue, &host};
  PoisonGuard poison{name, shard, &state, &queue, &host};
  const EventHandler::Parts handler{name, shard, &host, &state, &queue, &alarm, &roll_caller, &poison};
};

}  // namespace dormouse
