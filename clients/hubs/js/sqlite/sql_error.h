// What went wrong with a statement, in the words that Durable Objects have for it.
#pragma once

#include <sqlite3.h>

#include <string>

namespace dormouse {

// Of the last call on `db`, which has failed. `prepared`: it was a sqlite3_prepare, and may know where in the text.
std::string SqlError(sqlite3* db, bool prepared);

}  // namespace dormouse
