// Where clients open sockets of a hub class, for its profile.
#pragma once

#include "proto/link.pb.h"

namespace dormouse {

// `path`: "/ws", or "/ws/{name}" for one hub each. `hub_name`: of the hub there; empty: as the path says.
inline void AddRoute(link::ClassProfile* profile, const char* path, const char* hub_name) {
  link::Route* const route = profile->add_routes();
  route->set_path(path);
  route->set_hub_name(hub_name);
}

}  // namespace dormouse
