// The store of many processes: Redis 6.2 or newer, as one server, as the master that sentinels name, or as a
// Redis Cluster (redis_url.h). How hubs lie in it is in redis_layout.h, how its absence is borne in
// redis_pipeline.h and cluster_calls.h. Every lane's Store has connections of its own.
//
// What kOk of a commit is worth is up to the configuration: with `appendonly yes` and `appendfsync always` it
// is on the master's disk, with `wait-replicas=N` in the memory of N replicas, too. Without that a failover
// loses what the replica had not received yet.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/store/store.h"

namespace dormouse {

// See open_store.h.
std::unique_ptr<StoreFactory> OpenRedisStore(const StoreConfig& config, std::string* error);

}  // namespace dormouse
