// The ClusterStore in Redis: redis_cluster_layout.h says how.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/redis/redis_calls.h"

namespace dormouse {

// `redis` has kClusterScripts among its scripts; `script_hashes` are theirs, in their order.
std::unique_ptr<ClusterStore> NewRedisClusterStore(const StoreConfig& config,
                                                   std::unique_ptr<RedisCalls> redis,
                                                   std::span<const std::string> script_hashes);

}  // namespace dormouse
