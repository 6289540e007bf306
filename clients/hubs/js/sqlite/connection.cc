#include "clients/hubs/js/sqlite/connection.h"

#include <algorithm>
#include <vector>

#include "clients/hubs/js/sqlite/hub_vfs.h"
#include "clients/hubs/js/sqlite/sql_error.h"

namespace dormouse {
namespace {

// A file of 1 GiB.
constexpr char kMaxPages[] = "PRAGMA max_page_count = 262144";
// Of a string, a blob or a row.
constexpr int kMaxValue = 64 << 20;
constexpr int kMaxText = 1 << 20;

// Free pages are given back when they are more than so many and more than a quarter of the file; not all at once, since
// others have to be read and move into their place.
constexpr uint32_t kFreePagesKept = 256;
constexpr char kShrink[] = "PRAGMA incremental_vacuum(1024)";

// Where the header of the first page has the number of free pages, big-endian.
constexpr size_t kFreePagesAt = 36;

constexpr char kOnlySavepoints[] =
    "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs "
    "instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements: they roll back when an exception is thrown.";

// How many bytes at the beginning of `sql` are no statement.
size_t Blank(std::string_view sql) {
  size_t at = 0;
  while (at < sql.size()) {
    const std::string_view rest = sql.substr(at);
    size_t skipped;
    if (rest.substr(0, 2) == "--") {
      skipped = rest.find('\n');
    } else if (rest.substr(0, 2) == "/*") {
      skipped = rest.find("*/", 2);
      if (skipped != std::string_view::npos) skipped += 2;
    } else {
      skipped = rest.find_first_not_of("; \t\r\n\f");
      if (skipped == 0) return at;
    }
    if (skipped == std::string_view::npos) return sql.size();
    at += skipped;
  }
  return at;
}

}  // namespace

bool Connection::Open(std::string* error) {
  if (OpenOnPages(&store_, &db_) != SQLITE_OK) {
    *error = db_ != nullptr ? SqlError(db_, false) : "there is no memory for a database";
    Close();
    return false;
  }
  rules_.Watch(db_);
  sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, kMaxValue);
  sqlite3_limit(db_, SQLITE_LIMIT_SQL_LENGTH, kMaxText);
  sqlite3_limit(db_, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Nobody else has the file, so what is known of it stays true from one transaction to the next. Pages that are given
  // up early would count as changed after a rollback. Zeroing what is deleted would change pages that need not be.
  const std::string cache = "PRAGMA cache_size = -" + std::to_string(std::max<size_t>(cache_size_ >> 10, 64));
  for (const char* sql :
       {"PRAGMA page_size = 4096", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = MEMORY",
        "PRAGMA synchronous = OFF", "PRAGMA temp_store = MEMORY", "PRAGMA cache_spill = OFF",
        "PRAGMA secure_delete = OFF", "PRAGMA foreign_keys = ON", cache.c_str(), kMaxPages}) {
    if (!Run(sql, error)) {
      Close();
      return false;
    }
  }
  // It is enough to prepare this one: a new database will be made so. Carrying it out would make it at once, and an
  // object that never uses its database would have a page of it.
  sqlite3_stmt* statement = nullptr;
  rules_.set_trusted(true);
  sqlite3_prepare_v2(db_, "PRAGMA auto_vacuum = INCREMENTAL", -1, &statement, nullptr);
  sqlite3_finalize(statement);
  rules_.set_trusted(false);
  return true;
}

void Connection::Close() {
  if (db_ == nullptr) return;
  for (Prepared* statement : statements_) {
    sqlite3_finalize(statement->handle);
    statement->handle = nullptr;
  }
  statements_.clear();
  sqlite3_close_v2(db_);
  db_ = nullptr;
  in_transaction_ = false;
  depth_ = 0;
}

bool Connection::Run(const char* sql, std::string* error, int64_t* value) {
  rules_.set_trusted(true);
  sqlite3_stmt* statement = nullptr;
  bool ok = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) == SQLITE_OK;
  if (ok) {
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW && value != nullptr) *value = sqlite3_column_int64(statement, 0);
    while (result == SQLITE_ROW) result = sqlite3_step(statement);
    ok = result == SQLITE_DONE;
  }
  if (!ok) *error = SqlError(db_, false);
  sqlite3_finalize(statement);
  rules_.set_trusted(false);
  return ok;
}

bool Connection::IsUsable(std::string* error) const {
  if (db_ == nullptr) {
    *error = "The database is closed.";
  } else if (!broken_.empty()) {
    *error = broken_;
  } else {
    return true;
  }
  return false;
}

void Connection::NoticeLoss(const std::string& error) {
  if (!in_transaction_ || sqlite3_get_autocommit(db_) == 0) return;
  in_transaction_ = false;
  depth_ = 0;
  broken_ = "What was written before has been rolled back, so the object has to start anew: " + error;
}

std::unique_ptr<Prepared> Connection::Prepare(std::string_view sql, size_t* used, bool* once,
                                              std::string* error) {
  if (!IsUsable(error)) return nullptr;
  const size_t begin = Blank(sql);
  if (begin == sql.size()) {
    *error = "SQL code did not contain a statement.";
    return nullptr;
  }
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  rules_.Forget();
  const int result = sqlite3_prepare_v3(db_, sql.data() + begin, sql.size() - begin,
                                        SQLITE_PREPARE_PERSISTENT, &statement, &tail);
  if (result != SQLITE_OK) {
    *error = result == SQLITE_AUTH && rules_.is_transaction() ? kOnlySavepoints : SqlError(db_, true);
    NoticeLoss(*error);
    return nullptr;
  }
  if (statement == nullptr) {
    // Such as a comment that does not end.
    *error = "SQL code did not contain a statement.";
    return nullptr;
  }
  *used = tail - sql.data();
  *used += Blank(sql.substr(*used));
  *once = rules_.is_pragma();
  auto prepared = std::make_unique<Prepared>();
  prepared->handle = statement;
  statements_.insert(prepared.get());
  // That is so by now, but would end with a transaction of its own.
  if (rules_.puts_checks_off() && !BeginTransaction(error)) {
    Finalize(std::move(prepared));
    return nullptr;
  }
  return prepared;
}

void Connection::Finalize(std::unique_ptr<Prepared> statement) {
  if (statements_.erase(statement.get()) != 0) sqlite3_finalize(statement->handle);
}

int Connection::Step(const Prepared& statement, std::string* error) {
  if (!IsUsable(error)) return SQLITE_MISUSE;
  if (!in_transaction_ && sqlite3_stmt_readonly(statement.handle) == 0 && !BeginTransaction(error)) {
    return SQLITE_ERROR;
  }
  const int result = sqlite3_step(statement.handle);
  if (result == SQLITE_ROW || result == SQLITE_DONE) return result;
  *error = SqlError(db_, false);
  NoticeLoss(*error);
  return result;
}

void Connection::Reset(const Prepared& statement) {
  // What it returns has been said by the last step.
  sqlite3_reset(statement.handle);
  sqlite3_clear_bindings(statement.handle);
}

bool Connection::BeginTransaction(std::string* error) {
  if (in_transaction_) return true;
  if (!Run("BEGIN", error)) return false;
  in_transaction_ = true;
  began_with_savepoint_ = false;
  return true;
}

bool Connection::EndTransaction(std::string* error) {
  if (!in_transaction_) return true;
  if (Run("COMMIT", error)) {
    in_transaction_ = false;
    return true;
  }
  const bool violated = (sqlite3_errcode(db_) & 0xff) == SQLITE_CONSTRAINT;
  std::string ignored;
  Run("ROLLBACK", &ignored);
  in_transaction_ = false;
  broken_ =
      violated
          ? "Durable Object was reset and rolled back to its last known good state because the application "
            "left the database in a state where constraints were violated: "
          : "What was written could not be committed, so the object has to start anew: ";
  broken_ += *error;
  *error = broken_;
  return false;
}

bool Connection::Begin(std::string* error) {
  if (!IsUsable(error)) return false;
  const bool first = !in_transaction_;
  if (!BeginTransaction(error)) return false;
  if (!Run("SAVEPOINT nested", error)) return false;
  if (depth_ == 0) began_with_savepoint_ = first;
  ++depth_;
  return true;
}

bool Connection::Commit(std::string* error) {
  if (!IsUsable(error)) return false;
  if (depth_ == 0) {
    *error = "There is no transaction to commit.";
    return false;
  }
  if (!Run("RELEASE nested", error)) {
    NoticeLoss(*error);
    return false;
  }
  --depth_;
  return true;
}

bool Connection::Rollback(std::string* error) {
  if (!IsUsable(error)) return false;
  if (depth_ == 0) {
    *error = "There is no transaction to roll back.";
    return false;
  }
  if (depth_ == 1 && began_with_savepoint_) {
    if (!Run("ROLLBACK", error)) return false;
    in_transaction_ = false;
  } else if (!Run("ROLLBACK TO nested", error) || !Run("RELEASE nested", error)) {
    NoticeLoss(*error);
    return false;
  }
  --depth_;
  return true;
}

bool Connection::TakeChanges(PageStore::Changes* changes, std::string* error) {
  if (!IsUsable(error)) return false;
  if (depth_ != 0) {
    *error = "Changes cannot be taken within a transaction.";
    return false;
  }
  const bool written = in_transaction_;
  if (!EndTransaction(error) || (written && !Shrink(error))) return false;
  *changes = store_.Take();
  return true;
}

bool Connection::Shrink(std::string* error) {
  if (!store_.changed()) return true;
  std::vector<uint8_t> page(kHubPageSize);
  if (store_.page_count() <= kFreePagesKept || !store_.Read(1, page.data())) return true;
  uint32_t free = 0;
  for (size_t at = kFreePagesAt; at < kFreePagesAt + 4; ++at) free = free << 8 | page[at];
  if (free <= kFreePagesKept || free <= store_.page_count() / 4) return true;
  if (Run(kShrink, error)) return true;
  broken_ = *error;
  return false;
}

int64_t Connection::Size(std::string* error) {
  int64_t pages = 0;
  if (!IsUsable(error)) return -1;
  if (!Run(
          "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)",
          error, &pages)) {
    return -1;
  }
  return pages * static_cast<int64_t>(kHubPageSize);
}

bool Connection::Clear(std::string* error) {
  if (db_ == nullptr) {
    *error = "The database is closed.";
    return false;
  }
  if (depth_ != 0) {
    *error = "The database cannot be emptied within a transaction.";
    return false;
  }
  Close();
  store_.Resize(0);
  broken_.clear();
  return Open(error);
}

}  // namespace dormouse
