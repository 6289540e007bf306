#include "clients/hubs/js/sqlite/sql_rules.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace dormouse {
namespace {

bool IsOneOf(const char* name, const std::string_view* first, const std::string_view* last) {
  return name != nullptr && std::any_of(first, last, [name](std::string_view each) {
           return sqlite3_stricmp(name, each.data()) == 0;
         });
}

bool IsReserved(const char* name) {
  return name != nullptr &&
         (sqlite3_strnicmp(name, "_cf_", 4) == 0 || sqlite3_strnicmp(name, "_dormouse_", 10) == 0);
}

// Those that tell something.
constexpr std::string_view kReadable[] = {
    "collation_list",   "compile_options", "data_version",  "encoding",   "foreign_key_check",
    "foreign_key_list", "freelist_count",  "function_list", "index_info", "index_list",
    "index_xinfo",      "integrity_check", "module_list",   "page_count", "page_size",
    "pragma_list",      "quick_check",     "table_info",    "table_list", "table_xinfo",
    "foreign_keys",     "user_version"};
// Of those, the ones whose argument says of what they tell.
constexpr std::string_view kAbout[] = {"foreign_key_check", "foreign_key_list", "index_info",  "index_list",
                                       "index_xinfo",       "integrity_check",  "quick_check", "table_info",
                                       "table_list",        "table_xinfo"};
// Those that set something which concerns nobody but the object itself.
constexpr std::string_view kSettable[] = {
    "case_sensitive_like",       "defer_foreign_keys", "ignore_check_constraints",
    "legacy_alter_table",        "optimize",           "recursive_triggers",
    "reverse_unordered_selects", "user_version"};

// Virtual tables that keep what they hold in tables of the same database.
constexpr std::string_view kModules[] = {"fts3", "fts3aux",   "fts4",  "fts4aux",
                                         "fts5", "fts5vocab", "rtree", "rtree_i32"};

constexpr std::string_view kForbiddenFunctions[] = {"fts3_tokenizer", "load_extension"};

}  // namespace

void SqlRules::Watch(sqlite3* db) { sqlite3_set_authorizer(db, &SqlRules::Authorize, this); }

void SqlRules::Forget() {
  is_pragma_ = false;
  puts_checks_off_ = false;
  is_transaction_ = false;
}

int SqlRules::Authorize(void* self, int action, const char* first, const char* second, const char* database,
                        const char*) {
  auto* rules = static_cast<SqlRules*>(self);
  return rules->trusted_ ? SQLITE_OK : rules->Judge(action, first, second, database);
}

int SqlRules::Judge(int action, const char* first, const char* second, const char* database) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
      is_transaction_ = true;
      return SQLITE_DENY;
    case SQLITE_PRAGMA:
      is_pragma_ = true;
      puts_checks_off_ = second != nullptr && sqlite3_stricmp(first, "defer_foreign_keys") == 0;
      return JudgePragma(first, second);
    case SQLITE_FUNCTION:
      return IsOneOf(second, std::begin(kForbiddenFunctions), std::end(kForbiddenFunctions)) ? SQLITE_DENY
                                                                                             : SQLITE_OK;
    case SQLITE_CREATE_VTABLE:
      if (!IsOneOf(second, std::begin(kModules), std::end(kModules))) return SQLITE_DENY;
      return IsReserved(first) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_READ:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ANALYZE:
    case SQLITE_REINDEX:
      return IsReserved(first) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
      // Only some ways to say it have an action of their own.
      if (database != nullptr && sqlite3_stricmp(database, "temp") == 0) return SQLITE_DENY;
      return IsReserved(first) || IsReserved(second) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_ALTER_TABLE:
      return IsReserved(first) || IsReserved(second) ? SQLITE_DENY : SQLITE_OK;
    default:
      // Attached databases, temporary tables, and what a later SQLite may invent.
      return SQLITE_DENY;
  }
}

int SqlRules::JudgePragma(const char* name, const char* value) {
  if (IsOneOf(name, std::begin(kSettable), std::end(kSettable))) return SQLITE_OK;
  if (!IsOneOf(name, std::begin(kReadable), std::end(kReadable))) return SQLITE_DENY;
  if (value == nullptr || IsOneOf(name, std::begin(kAbout), std::end(kAbout))) return SQLITE_OK;
  // Within a transaction it has no effect and is no error, and a Durable Object is always within one.
  return sqlite3_stricmp(name, "foreign_keys") == 0 ? SQLITE_IGNORE : SQLITE_DENY;
}

}  // namespace dormouse
