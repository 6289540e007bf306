// The addon: {Database, SyncChannel}. index.mjs is what others use.
#include <node_api.h>

#include "clients/hubs/js/sqlite/database_class.h"
#include "clients/hubs/js/sqlite/js_values.h"
#include "clients/hubs/js/sqlite/statement_class.h"
#include "clients/hubs/js/sqlite/sync_channel_class.h"

NAPI_MODULE_INIT() {
  const napi_value statement = dormouse::DefineStatement(env);
  if (statement == nullptr) return nullptr;
  const napi_value database = dormouse::DefineDatabase(env, statement);
  const napi_value channel = dormouse::DefineSyncChannel(env);
  if (database == nullptr || channel == nullptr) return nullptr;
  dormouse::SetProperty(env, exports, "Database", database);
  dormouse::SetProperty(env, exports, "SyncChannel", channel);
  return exports;
}
