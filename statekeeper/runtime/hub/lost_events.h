// Events of a hub that have begun and whose effects are gone, or never were: their commit has failed, or the Hub object
// that had deferred them is lost. Each fails, or is handled again, in the order in which they began.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/deferred_events.h"
#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

struct LostEvent {
  HubEvent event;
  uint64_t number = 0;                       // of its beginning
  std::optional<Hub::Failure> failure = {};  // else it is to be handled again
};

// All that are deferred, as their object is lost. `at_fault`: one of them may be why; those are counted against it
// (event::FromGateway::restarts), and of calls the callers are told. `max_attempts`: HubHost's.
std::vector<LostEvent> LoseDeferred(DeferredEvents* deferred, bool at_fault, uint32_t max_attempts);

}  // namespace dormouse
