// The database of a hub: SQLite on a PageStore, always in a transaction.
//
// The first statement that writes begins it, and TakeChanges ends it: what is between two of them is written to the
// store's pages together, once for each page. Within it there are savepoints, for transactions as the object's code
// knows them. When SQLite itself ends the transaction (a constraint says ROLLBACK, a page cannot be read), what the
// code believes to be written is not: the connection is broken then, and the object has to start anew.
//
// Used by one thread. Errors are sentences.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "clients/hubs/js/sqlite/page_store.h"
#include "clients/hubs/js/sqlite/sql_rules.h"

namespace dormouse {

// A statement of a connection, until that is closed: null then.
struct Prepared {
  sqlite3_stmt* handle = nullptr;
};

class Connection {
 public:
  // `cache_size`: bytes of pages that SQLite may keep, beside those that are not taken and confirmed.
  Connection(uint32_t page_count, PageStore::Reader reader, size_t cache_size)
      : store_(page_count, std::move(reader)), cache_size_(cache_size) {}
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Open(std::string* error);
  // Ends all statements, too.
  void Close();
  bool is_open() const { return db_ != nullptr; }

  // The first statement of `sql`, of which `*used` bytes are it and the blanks, semicolons and comments around it.
  // nullptr: an error. `*once`: it is not to be kept for another time.
  std::unique_ptr<Prepared> Prepare(std::string_view sql, size_t* used, bool* once, std::string* error);
  void Finalize(std::unique_ptr<Prepared> statement);
  // SQLITE_ROW, SQLITE_DONE; else an error. Begins the transaction where the statement may write.
  int Step(const Prepared& statement, std::string* error);
  // Ends a statement, for its next time.
  static void Reset(const Prepared& statement);

  int64_t rows_changed() const { return sqlite3_total_changes64(db_); }

  // Savepoints, one within the other.
  bool Begin(std::string* error);
  bool Commit(std::string* error);
  bool Rollback(std::string* error);
  int depth() const { return depth_; }

  bool has_changes() const { return in_transaction_ || store_.changed(); }
  bool TakeChanges(PageStore::Changes* changes, std::string* error);
  void Confirm(uint64_t number) { store_.Confirm(number); }

  // Bytes, without pages that are free; -1: an error.
  int64_t Size(std::string* error);
  // Empties the database. Its statements end.
  bool Clear(std::string* error);

  const PageStore& store() const { return store_; }

 private:
  // Carries out our own SQL; the first value of its first row, if there is one, goes to `*value`.
  bool Run(const char* sql, std::string* error, int64_t* value = nullptr);
  bool BeginTransaction(std::string* error);
  bool EndTransaction(std::string* error);
  // After a failure of SQLite: whether it has ended the transaction.
  void NoticeLoss(const std::string& error);
  bool IsUsable(std::string* error) const;
  // Gives some pages at the end of the file back when many are free.
  bool Shrink(std::string* error);

  PageStore store_;
  const size_t cache_size_;
  SqlRules rules_;
  sqlite3* db_ = nullptr;
  std::unordered_set<Prepared*> statements_;
  bool in_transaction_ = false;
  // The transaction began with the outermost savepoint: undoing that one leaves nothing.
  bool began_with_savepoint_ = false;
  int depth_ = 0;
  std::string broken_;  // why; empty: it is not
};

}  // namespace dormouse
