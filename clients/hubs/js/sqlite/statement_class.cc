#include "clients/hubs/js/sqlite/statement_class.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "clients/hubs/js/sqlite/js_values.h"

namespace dormouse {
namespace {

class Statement {
 public:
  Statement(napi_env env, std::shared_ptr<Session> session, std::unique_ptr<Prepared> statement)
      : env_(env), session_(std::move(session)), statement_(std::move(statement)) {}
  ~Statement() { session_->Drop(std::move(statement_)); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // `self`: the object that this is behind.
  void TellColumns(napi_value self);
  napi_value Start(napi_value self, size_t count, const napi_value* bindings);
  napi_value Next();
  napi_value Rest();
  double rows_read() const;
  double rows_written() const { return static_cast<double>(rows_written_); }

 private:
  Connection* connection() const { return session_->connection(); }
  sqlite3_stmt* handle() const { return statement_->handle; }
  bool Bind(int place, napi_value value);
  // SQLITE_ROW, SQLITE_DONE, or SQLITE_ERROR with an exception. It has ended but for SQLITE_ROW.
  int Step();
  void End();
  // Of the row where it stands.
  napi_value Row();
  napi_value Value(int column);
  napi_value RowAfter(int result);

  const napi_env env_;
  const std::shared_ptr<Session> session_;
  std::unique_ptr<Prepared> statement_;
  bool is_running_ = false;
  int prepared_anew_ = 0;
  int64_t rows_read_ = 0;
  int64_t rows_scanned_ = 0;
  int64_t rows_written_ = 0;
  int64_t changed_before_ = 0;  // rows, by all statements
};

bool Statement::Bind(int place, napi_value value) {
  napi_valuetype type;
  napi_typeof(env_, value, &type);
  int result = SQLITE_OK;
  switch (type) {
    case napi_undefined:
    case napi_null:
      result = sqlite3_bind_null(handle(), place);
      break;
    case napi_number: {
      double number;
      napi_get_value_double(env_, value, &number);
      result = sqlite3_bind_double(handle(), place, number);
      break;
    }
    case napi_bigint:
      ThrowTypeError(env_, "Cannot convert a BigInt value to a number");
      return false;
    default: {
      const char* bytes;
      size_t size;
      if (type == napi_object && GetBytes(env_, value, &bytes, &size)) {
        result = sqlite3_bind_blob64(handle(), place, bytes, size, SQLITE_TRANSIENT);
        break;
      }
      // Whatever else it is counts as the string that it says it is.
      std::string text;
      napi_value string = value;
      if (type != napi_string && napi_coerce_to_string(env_, value, &string) != napi_ok) return false;
      if (!GetString(env_, string, &text)) return false;
      result = sqlite3_bind_text64(handle(), place, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
  }
  if (result == SQLITE_OK) return true;
  Throw(env_,
        result == SQLITE_TOOBIG ? "string or blob too big: SQLITE_TOOBIG" : "A value could not be bound.");
  return false;
}

void Statement::TellColumns(napi_value self) {
  napi_value columns;
  napi_create_array(env_, &columns);
  for (int column = 0; column < sqlite3_column_count(handle()); ++column) {
    napi_value name;
    napi_create_string_utf8(env_, sqlite3_column_name(handle(), column), NAPI_AUTO_LENGTH, &name);
    napi_set_element(env_, columns, column, name);
  }
  SetProperty(env_, self, "columns", columns);
  napi_value writes;
  napi_get_boolean(env_, sqlite3_stmt_readonly(handle()) == 0, &writes);
  SetProperty(env_, self, "writes", writes);
}

napi_value Statement::Start(napi_value self, size_t count, const napi_value* bindings) {
  if (handle() == nullptr) return Throw(env_, "The database is closed.");
  if (is_running_) return Throw(env_, "A SQL prepared statement can only be executed once at a time.");
  if (count != static_cast<size_t>(sqlite3_bind_parameter_count(handle()))) {
    return Throw(env_, "Wrong number of parameter bindings for SQL query.");
  }
  for (size_t i = 0; i < count; ++i) {
    if (!Bind(i + 1, bindings[i])) {
      Connection::Reset(*statement_);
      return nullptr;
    }
  }
  rows_read_ = 0;
  rows_scanned_ = 0;
  rows_written_ = 0;
  changed_before_ = connection()->rows_changed();
  const int result = Step();
  // A changed schema may mean other columns.
  const int prepared_anew = sqlite3_stmt_status(handle(), SQLITE_STMTSTATUS_REPREPARE, 0);
  if (prepared_anew != prepared_anew_) TellColumns(self);
  prepared_anew_ = prepared_anew;
  return RowAfter(result);
}

napi_value Statement::Next() {
  napi_value nothing = nullptr;
  napi_get_undefined(env_, &nothing);
  return is_running_ ? RowAfter(Step()) : nothing;
}

napi_value Statement::RowAfter(int result) {
  napi_value row = nullptr;
  if (result == SQLITE_ROW) return Row();
  if (result == SQLITE_DONE) napi_get_undefined(env_, &row);
  return row;
}

napi_value Statement::Rest() {
  napi_value rows;
  napi_create_array(env_, &rows);
  for (uint32_t i = 0; is_running_; ++i) {
    // A scope for each row, as there may be many.
    napi_handle_scope scope;
    if (napi_open_handle_scope(env_, &scope) != napi_ok) return nullptr;
    const int result = Step();
    const napi_value row = result == SQLITE_ROW ? Row() : nullptr;
    if (row != nullptr) napi_set_element(env_, rows, i, row);
    napi_close_handle_scope(env_, scope);
    if (result == SQLITE_ERROR || (result == SQLITE_ROW && row == nullptr)) return nullptr;
  }
  return rows;
}

int Statement::Step() {
  if (handle() == nullptr) {
    is_running_ = false;
    Throw(env_, "The database is closed.");
    return SQLITE_ERROR;
  }
  const Session::Use use(session_.get());
  if (!use) return SQLITE_ERROR;
  std::string error;
  is_running_ = true;
  const int result = connection()->Step(*statement_, &error);
  if (result == SQLITE_ROW) {
    ++rows_read_;
    return result;
  }
  End();
  if (result == SQLITE_DONE) return result;
  session_->Fail(error);
  return SQLITE_ERROR;
}

void Statement::End() {
  is_running_ = false;
  rows_scanned_ = sqlite3_stmt_status(handle(), SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
  Connection::Reset(*statement_);
  // Others may have written since this one began, but not if it writes: then its rows are fetched at once.
  if (sqlite3_stmt_readonly(handle()) == 0) rows_written_ = connection()->rows_changed() - changed_before_;
}

double Statement::rows_read() const {
  const bool counts = is_running_ && handle() != nullptr;
  const int64_t scanned =
      counts ? sqlite3_stmt_status(handle(), SQLITE_STMTSTATUS_FULLSCAN_STEP, 0) : rows_scanned_;
  // Steps lead from one row to the next.
  return static_cast<double>(std::max(rows_read_, scanned == 0 ? 0 : scanned + 1));
}

napi_value Statement::Row() {
  napi_value row = nullptr;
  const int columns = sqlite3_data_count(handle());
  if (napi_create_array_with_length(env_, columns, &row) != napi_ok) return nullptr;
  for (int column = 0; column < columns; ++column) {
    const napi_value value = Value(column);
    if (value == nullptr) return Throw(env_, "A value is too large for JavaScript.");
    napi_set_element(env_, row, column, value);
  }
  return row;
}

napi_value Statement::Value(int column) {
  napi_value value = nullptr;
  switch (sqlite3_column_type(handle(), column)) {
    case SQLITE_INTEGER:
      napi_create_int64(env_, sqlite3_column_int64(handle(), column), &value);
      break;
    case SQLITE_FLOAT:
      napi_create_double(env_, sqlite3_column_double(handle(), column), &value);
      break;
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle(), column));
      napi_create_string_utf8(env_, text, sqlite3_column_bytes(handle(), column), &value);
      break;
    }
    case SQLITE_BLOB: {
      const void* bytes = sqlite3_column_blob(handle(), column);
      const size_t size = sqlite3_column_bytes(handle(), column);
      void* data = nullptr;
      if (napi_create_arraybuffer(env_, size, &data, &value) == napi_ok && size != 0)
        memcpy(data, bytes, size);
      break;
    }
    default:
      napi_get_null(env_, &value);
  }
  return value;
}

napi_value New(napi_env env, napi_callback_info info) {
  napi_value self;
  napi_get_cb_info(env, info, nullptr, nullptr, &self, nullptr);
  return self;
}

napi_value Start(napi_env env, napi_callback_info info) {
  napi_value few[8];
  size_t count = std::size(few);
  napi_value self;
  auto* statement = Receiver<Statement>(env, info, &count, few, &self);
  if (statement == nullptr) return nullptr;
  if (count <= std::size(few)) return statement->Start(self, count, few);
  std::vector<napi_value> all(count);
  napi_get_cb_info(env, info, &count, all.data(), nullptr, nullptr);
  return statement->Start(self, count, all.data());
}

napi_value Next(napi_env env, napi_callback_info info) {
  size_t count = 0;
  auto* statement = Receiver<Statement>(env, info, &count, nullptr);
  return statement != nullptr ? statement->Next() : nullptr;
}

napi_value Rest(napi_env env, napi_callback_info info) {
  size_t count = 0;
  auto* statement = Receiver<Statement>(env, info, &count, nullptr);
  return statement != nullptr ? statement->Rest() : nullptr;
}

napi_value RowsRead(napi_env env, napi_callback_info info) {
  size_t count = 0;
  auto* statement = Receiver<Statement>(env, info, &count, nullptr);
  return statement != nullptr ? NewNumber(env, statement->rows_read()) : nullptr;
}

napi_value RowsWritten(napi_env env, napi_callback_info info) {
  size_t count = 0;
  auto* statement = Receiver<Statement>(env, info, &count, nullptr);
  return statement != nullptr ? NewNumber(env, statement->rows_written()) : nullptr;
}

}  // namespace

napi_value DefineStatement(napi_env env) {
  const napi_property_descriptor properties[] = {
      {"start", nullptr, Start, nullptr, nullptr, nullptr, kMethod, nullptr},
      {"next", nullptr, Next, nullptr, nullptr, nullptr, kMethod, nullptr},
      {"rest", nullptr, Rest, nullptr, nullptr, nullptr, kMethod, nullptr},
      {"rowsRead", nullptr, nullptr, RowsRead, nullptr, nullptr, napi_default, nullptr},
      {"rowsWritten", nullptr, nullptr, RowsWritten, nullptr, nullptr, napi_default, nullptr},
  };
  napi_value constructor = nullptr;
  napi_define_class(env, "Statement", NAPI_AUTO_LENGTH, New, nullptr, std::size(properties), properties,
                    &constructor);
  return constructor;
}

napi_value NewStatement(napi_env env, napi_value constructor, std::shared_ptr<Session> session,
                        std::unique_ptr<Prepared> statement, bool is_reusable) {
  auto owned = std::make_unique<Statement>(env, std::move(session), std::move(statement));
  napi_value object = nullptr;
  if (napi_new_instance(env, constructor, 0, nullptr, &object) != napi_ok) return nullptr;
  owned->TellColumns(object);
  napi_value reusable;
  napi_get_boolean(env, is_reusable, &reusable);
  SetProperty(env, object, "isReusable", reusable);
  const auto destroy = [](napi_env, void* behind, void*) { delete static_cast<Statement*>(behind); };
  if (napi_wrap(env, object, owned.get(), destroy, nullptr, nullptr) != napi_ok) return nullptr;
  static_cast<void>(owned.release());
  return object;
}

}  // namespace dormouse
