// The ClusterStore in a file, which has one member.
#pragma once

#include <memory>

#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/sqlite/sqlite_worker.h"

namespace dormouse {

// `worker` outlives it.
std::unique_ptr<ClusterStore> NewSqliteClusterStore(struct ev_loop* loop, const StoreConfig& config,
                                                    SqliteWorker* worker);

}  // namespace dormouse
