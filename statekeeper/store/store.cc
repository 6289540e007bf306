#include "statekeeper/store/store.h"

#include "statekeeper/store/store_redis.h"
#include "statekeeper/store/store_sqlite.h"

namespace dormouse {

std::unique_ptr<StoreFactory> OpenStore(const StoreConfig& config, std::string* error) {
  if (config.url.starts_with("file:")) return OpenSqliteStore(config, error);
  if (config.url.starts_with("redis://") || config.url.starts_with("redis+unix://")) {
    return OpenRedisStore(config, error);
  }
  if (config.url.starts_with("rediss://")) {
    *error =
        "This build has no TLS for Redis (its hiredis comes without hiredis_ssl). Use redis:// over a "
        "private network "
        "or a TLS tunnel, or redis+unix://.";
  } else {
    *error = "--store must be file:PATH, redis://[USER:PASSWORD@]HOST:PORT[/DB] or redis+unix://PATH.";
  }
  return nullptr;
}

}  // namespace dormouse
