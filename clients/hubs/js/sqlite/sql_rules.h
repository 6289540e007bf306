// What the SQL of a Durable Object may not do: begin or end transactions (the storage's own functions do), open other
// databases, make temporary tables, touch tables that are reserved, or set what the file and its cache are made of.
#pragma once

#include <sqlite3.h>

namespace dormouse {

class SqlRules {
 public:
  // `db` calls this object while it prepares a statement, from now on.
  void Watch(sqlite3* db);

  // Ours are under no rules.
  void set_trusted(bool trusted) { trusted_ = trusted; }

  // Of the statement that is prepared next.
  void Forget();
  // It is a pragma: it takes effect already while it is prepared.
  bool is_pragma() const { return is_pragma_; }
  // It puts the checks of foreign keys off to the end of the transaction.
  bool puts_checks_off() const { return puts_checks_off_; }
  // It was refused, because it is about transactions.
  bool is_transaction() const { return is_transaction_; }

 private:
  static int Authorize(void* self, int action, const char* first, const char* second, const char* database,
                       const char* cause);
  int Judge(int action, const char* first, const char* second, const char* database);
  int JudgePragma(const char* name, const char* value);

  bool trusted_ = false;
  bool is_pragma_ = false;
  bool puts_checks_off_ = false;
  bool is_transaction_ = false;
};

}  // namespace dormouse
