// The embedded store, for one statekeeper process: one SQLite file (sqlite_database.h), one thread.
//
// All lanes' calls go to the thread in the order in which they were made. It carries out everything that has
// queued up while it was busy in one transaction, so one sync to the disk serves many commits, and then hands
// the answers back to the lanes. kOk of a commit means that it is on disk.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/store/store.h"

namespace dormouse {

// See open_store.h.
std::unique_ptr<StoreFactory> OpenSqliteStore(const StoreConfig& config, std::string* error);

}  // namespace dormouse
