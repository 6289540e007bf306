// The store of a cluster: Redis 6.2 or newer. How hubs lie in it is in redis_layout.h, how its absence is
// borne in redis_pipeline.h. Every lane's Store is a connection of its own.
//
// What kOk of a commit is worth is up to the server's configuration: with `appendonly yes` and `appendfsync
// always` it is on disk.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/store/store.h"

namespace dormouse {

// See OpenStore.
std::unique_ptr<StoreFactory> OpenRedisStore(const StoreConfig& config, std::string* error);

}  // namespace dormouse
