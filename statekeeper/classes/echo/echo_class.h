// Hub class "echo": says back what it hears, with the number of open sockets. The demo of hibernation: its
// only state is each connection's attachment, {"connectionId","connectedAt"}, so an echo writes nothing, and
// a hub that sleeps loses nothing. Silent sockets are closed by the gateways, which know best when a client
// was last heard.
//
// Frames: welcome, heartbeat -> heartbeat_ack, ping -> pong, anything else -> echo. A heartbeat is answered
// at the edge unless Options::edge_heartbeats is off, and the same way here when one comes through; a ping
// always comes here: it is how people wake a hub.
#pragma once

#include <memory>

#include "common/config/options.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

std::unique_ptr<HubClass> NewEchoClass(const Options& options);

}  // namespace dormouse
