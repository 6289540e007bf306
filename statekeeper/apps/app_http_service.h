// Gateways of other hosts reach the app's HTTP here (service AppHttp of proto/app.proto): each stream is a connection to
// this statekeeper's worker, as gateways of this host make themselves. Who may: link_gate.h.
//
// Threading: the main thread's; see byte_tunnel.h.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/link/link_service.h"

namespace dormouse {

// `socket`: where the worker serves HTTP. While nobody listens there, as when a worker is started again, a stream waits
// for five seconds.
std::unique_ptr<LinkService> NewAppHttpService(std::string socket);

}  // namespace dormouse
