// The file system that SQLite sees of a hub: one file, a PageStore. Journals and temporary tables are in memory, so
// nothing else is ever opened; nobody else has the file, so nothing is locked; and nothing is synced, since what is
// durable is for whoever takes the changes to say.
#pragma once

#include <sqlite3.h>

#include "clients/hubs/js/sqlite/page_store.h"

namespace dormouse {

// As sqlite3_open_v2. `store` outlives the connection.
int OpenOnPages(PageStore* store, sqlite3** db);

}  // namespace dormouse
