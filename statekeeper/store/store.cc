#include "statekeeper/store/store.h"

#include "common/clock.h"
#include "statekeeper/store/store_redis.h"
#include "statekeeper/store/store_sqlite.h"

namespace dormouse {

uint32_t FirstEpoch() {
  constexpr int64_t k2020 = 1'577'836'800;  // 2020-01-01T00:00:00Z
  return static_cast<uint32_t>(WallMs() / 1000 - k2020);
}

std::unique_ptr<StoreFactory> OpenStore(const StoreConfig& config, std::string* error) {
  if (config.url.starts_with("file:")) return OpenSqliteStore(config, error);
  if (config.url.starts_with("redis")) return OpenRedisStore(config, error);
  *error =
      "--store must be file:PATH, redis://[USER@]HOST:PORT[/DB], redis+unix://PATH, "
      "redis+sentinel://HOST:PORT,.../SERVICE or redis+cluster://HOST:PORT,...; over TLS with rediss in "
      "place "
      "of redis";
  return nullptr;
}

}  // namespace dormouse
