#include "statekeeper/runtime/hub/lost_events.h"

#include <utility>

namespace dormouse {

std::vector<LostEvent> LoseDeferred(DeferredEvents* deferred, bool at_fault, uint32_t max_attempts) {
  std::vector<LostEvent> lost;
  for (auto& [number, event] : deferred->TakeAll()) {
    if (const auto* const request = std::get_if<event::Request>(&event); request != nullptr && at_fault) {
      // Of what it has done some may be durable, and its caller cannot know that it is made twice.
      request->request->Finish(HubRequest::Outcome::kFailed,
                               "The hub's object was lost before it had answered");
      continue;
    }
    // Suspects run one by one, oldest first: none but that one can be to blame in the end.
    const bool may_be_last = lost.empty() || max_attempts == 0 || RestartsOf(event) + 1 < max_attempts;
    if (at_fault && may_be_last) CountRestart(&event);
    if (auto* const from = std::get_if<event::FromGateway>(&event)) from->repeated = true;
    lost.push_back({std::move(event), number});
  }
  return lost;
}

}  // namespace dormouse
