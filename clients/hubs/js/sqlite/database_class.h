// The class Database of the addon.
//
//   new Database(pageCount, readPage, cacheBytes)   `readPage` is to be kept alive by whoever made it
//   prepare(text)          carries out all statements but the last, which is returned
//   begin() commit() rollback()   transactions, one within the other; depth: how many are open
//   hasChanges
//   takeChanges()          {number, pageCount, pages}, pages being [[number, Uint8Array | null]]
//   confirmChanges(number)
//   size                   bytes
//   clear()                empties it
//   close()
#pragma once

#include <node_api.h>

namespace dormouse {

// Once for an env. `statement`: the class. nullptr: an exception.
napi_value DefineDatabase(napi_env env, napi_value statement);

}  // namespace dormouse
