// Waking: a hub that has slept is read, and what happened meanwhile comes before what woke it: gateways that vanished
// with its sockets, the roll call, the note of a suspect.
//
// One lane's thread, on a fiber.
#pragma once

#include "statekeeper/runtime/hub/event_handler.h"
#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

// Reads the hub, and queues what is due. Throws StoreAway.
void Wake(const EventHandler::Parts& hub);
// The same for this event. False: it has been put back into the queue, for something comes first.
bool WakeFor(HubEvent* event, const EventHandler::Parts& hub);

}  // namespace dormouse
