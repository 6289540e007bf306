#include "statekeeper/store/redis/redis_calls.h"

#include <utility>

#include "statekeeper/store/redis/cluster_calls.h"
#include "statekeeper/store/redis/redis_pipeline.h"

namespace dormouse {

std::unique_ptr<RedisCalls> NewRedisCalls(struct ev_loop* loop, RedisConfig config) {
  if (config.server.kind == RedisUrl::Kind::kCluster) {
    return std::make_unique<ClusterCalls>(loop, std::move(config));
  }
  return std::make_unique<RedisPipeline>(loop, config);
}

}  // namespace dormouse
