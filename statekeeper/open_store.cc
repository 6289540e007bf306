#include "statekeeper/open_store.h"

#include "statekeeper/store/redis/store_redis.h"
#include "statekeeper/store/sqlite/store_sqlite.h"

namespace dormouse {

std::unique_ptr<StoreFactory> OpenStore(const StoreConfig& config, std::string* error) {
  if (config.url.starts_with("file:")) return OpenSqliteStore(config, error);
  if (config.url.starts_with("redis")) return OpenRedisStore(config, error);
  *error =
      "--store must be file:PATH, redis://[USER@]HOST:PORT[/DB], redis+unix://PATH, "
      "redis+sentinel://HOST:PORT,.../SERVICE or redis+cluster://HOST:PORT,...; over TLS with "
      "rediss in place of redis";
  return nullptr;
}

}  // namespace dormouse
