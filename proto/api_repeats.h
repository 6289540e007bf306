// Which requests of backends both ends of a call may make again when nobody knows what became of one.
#pragma once

#include "proto/api.pb.h"

namespace dormouse {

// Whether carrying it out twice is no other than carrying it out once.
inline bool MayBeRepeated(const api::Request& request) {
  const bool changes_nothing = request.commands_size() == 1 &&
                               (request.commands(0).has_connections() || request.commands(0).has_evict());
  return changes_nothing || !request.idempotency_key().empty();
}

}  // namespace dormouse
