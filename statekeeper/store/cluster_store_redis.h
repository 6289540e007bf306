// The ClusterStore in Redis: redis_cluster_layout.h says how.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/redis_pipeline.h"

namespace dormouse {

// The pipeline's configuration has kClusterScripts among its scripts; `script_hashes` are theirs, in their
// order.
std::unique_ptr<ClusterStore> NewRedisClusterStore(struct ev_loop* loop, const StoreConfig& config,
                                                   RedisPipeline::Config pipeline,
                                                   std::span<const std::string> script_hashes);

}  // namespace dormouse
