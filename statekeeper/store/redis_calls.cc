#include "statekeeper/store/redis_calls.h"

#include <utility>

#include "statekeeper/store/redis_pipeline.h"

namespace dormouse {

std::unique_ptr<RedisCalls> NewRedisCalls(struct ev_loop* loop, RedisConfig config) {
  return std::make_unique<RedisPipeline>(loop, config);
}

}  // namespace dormouse
