#include "clients/hubs/js/sqlite/sql_error.h"

namespace dormouse {
namespace {

#define DORMOUSE_NAMED(code) \
  case code:                 \
    return #code

// nullptr: an unusual one.
const char* Name(int code) {
  switch (code) {
    DORMOUSE_NAMED(SQLITE_ERROR);
    DORMOUSE_NAMED(SQLITE_INTERNAL);
    DORMOUSE_NAMED(SQLITE_ABORT);
    DORMOUSE_NAMED(SQLITE_BUSY);
    DORMOUSE_NAMED(SQLITE_LOCKED);
    DORMOUSE_NAMED(SQLITE_NOMEM);
    DORMOUSE_NAMED(SQLITE_READONLY);
    DORMOUSE_NAMED(SQLITE_INTERRUPT);
    DORMOUSE_NAMED(SQLITE_IOERR);
    DORMOUSE_NAMED(SQLITE_CORRUPT);
    DORMOUSE_NAMED(SQLITE_NOTFOUND);
    DORMOUSE_NAMED(SQLITE_FULL);
    DORMOUSE_NAMED(SQLITE_CANTOPEN);
    DORMOUSE_NAMED(SQLITE_SCHEMA);
    DORMOUSE_NAMED(SQLITE_TOOBIG);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT);
    DORMOUSE_NAMED(SQLITE_MISMATCH);
    DORMOUSE_NAMED(SQLITE_MISUSE);
    DORMOUSE_NAMED(SQLITE_AUTH);
    DORMOUSE_NAMED(SQLITE_RANGE);
    DORMOUSE_NAMED(SQLITE_NOTADB);
    DORMOUSE_NAMED(SQLITE_ABORT_ROLLBACK);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_CHECK);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_DATATYPE);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_FOREIGNKEY);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_NOTNULL);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_PRIMARYKEY);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_ROWID);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_TRIGGER);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_UNIQUE);
    DORMOUSE_NAMED(SQLITE_CONSTRAINT_VTAB);
    DORMOUSE_NAMED(SQLITE_CORRUPT_VTAB);
    DORMOUSE_NAMED(SQLITE_IOERR_READ);
    DORMOUSE_NAMED(SQLITE_LOCKED_VTAB);
    default:
      return nullptr;
  }
}

#undef DORMOUSE_NAMED

std::string NameOrNumber(int code) {
  const char* name = Name(code);
  return name != nullptr ? name : "SQLite's error " + std::to_string(code);
}

}  // namespace

std::string SqlError(sqlite3* db, bool prepared) {
  std::string text = sqlite3_errmsg(db);
  if (const int offset = prepared ? sqlite3_error_offset(db) : -1; offset >= 0) {
    text += " at offset " + std::to_string(offset);
  }
  const int extended = sqlite3_extended_errcode(db);
  const int code = extended & 0xff;
  text += ": " + NameOrNumber(code);
  if (extended != code) text += " (extended: " + NameOrNumber(extended) + ")";
  return text;
}

}  // namespace dormouse
