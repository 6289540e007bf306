#include "statekeeper/runtime/hub/waking.h"

#include <utility>

namespace dormouse {

void Wake(const EventHandler::Parts& hub) {
  hub.state->Load();
  if (hub.state->meta().restoring() != 0) {
    // What is there is not all of it: as if the store were away.
    hub.state->Unload();
    throw StoreAway();
  }
  hub.poison->Learn();
  hub.roll_caller->Begin();
  for (const event::GatewayGone& gone : GoneGateways(*hub.state, *hub.host)) hub.queue->AddFirst(gone);
}

bool WakeFor(HubEvent* event, const EventHandler::Parts& hub) {
  Wake(hub);
  if (hub.queue->BeginsWithGoneGateway() && !Is<event::NoteSuspect>(*event)) {
    // First what happened while the hub slept, then what woke it.
    hub.queue->AddBehindGoneGateways(std::move(*event));
    return false;
  }
  if (hub.poison->IsSuspect(*event) && !hub.poison->IsNoted()) {
    hub.queue->AddFirst(std::move(*event));
    return false;
  }
  return true;
}

}  // namespace dormouse
