#include "clients/hubs/js/sqlite/database_class.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "clients/hubs/js/sqlite/js_values.h"
#include "clients/hubs/js/sqlite/session.h"
#include "clients/hubs/js/sqlite/statement_class.h"

namespace dormouse {
namespace {

// Behind an object of the class.
struct Database {
  std::shared_ptr<Session> session;
};

// Of the addon in one env, for as long as that.
struct Classes {
  napi_ref statement = nullptr;
};

Session* SessionOf(napi_env env, napi_callback_info info, size_t* count, napi_value* arguments) {
  auto* database = Receiver<Database>(env, info, count, arguments);
  return database != nullptr ? database->session.get() : nullptr;
}

napi_value New(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = std::size(arguments);
  napi_value self;
  napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
  uint32_t page_count;
  double cache_size;
  napi_valuetype type;
  napi_typeof(env, arguments[1], &type);
  if (napi_get_value_uint32(env, arguments[0], &page_count) != napi_ok || type != napi_function ||
      napi_get_value_double(env, arguments[2], &cache_size) != napi_ok || cache_size < 0) {
    return ThrowTypeError(
        env, "A database takes a number of pages, a function that reads them, and a cache's size.");
  }
  auto database = std::make_unique<Database>();
  database->session =
      std::make_shared<Session>(env, arguments[1], page_count, static_cast<size_t>(cache_size));
  {
    const Session::Use use(database->session.get());
    std::string error;
    if (!database->session->connection()->Open(&error)) return database->session->Fail(error);
  }
  const auto destroy = [](napi_env, void* behind, void*) { delete static_cast<Database*>(behind); };
  if (napi_wrap(env, self, database.get(), destroy, nullptr, nullptr) != napi_ok) return nullptr;
  static_cast<void>(database.release());
  return self;
}

napi_value Prepare(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  auto* database = Receiver<Database>(env, info, &count, &argument);
  if (database == nullptr) return nullptr;
  Session* session = database->session.get();
  std::string text;
  if (!GetString(env, argument, &text)) return ThrowTypeError(env, "SQL is a string.");
  const Session::Use use(session);
  if (!use) return nullptr;
  Connection* connection = session->connection();
  std::string_view rest = text;
  std::string error;
  for (bool is_first = true;; is_first = false) {
    size_t used = 0;
    bool once = false;
    std::unique_ptr<Prepared> statement = connection->Prepare(rest, &used, &once, &error);
    if (statement == nullptr) return session->Fail(error);
    rest.remove_prefix(used);
    if (rest.empty()) {
      auto* classes = static_cast<Classes*>(nullptr);
      napi_value constructor;
      napi_get_instance_data(env, reinterpret_cast<void**>(&classes));
      napi_get_reference_value(env, classes->statement, &constructor);
      return NewStatement(env, constructor, database->session, std::move(statement), is_first && !once);
    }
    int result = SQLITE_ERROR;
    if (sqlite3_bind_parameter_count(statement->handle) != 0) {
      error =
          "When executing multiple SQL statements in a single call, only the last statement can have parameters.";
    } else {
      while ((result = connection->Step(*statement, &error)) == SQLITE_ROW) {
      }
    }
    connection->Finalize(std::move(statement));
    if (result != SQLITE_DONE) return session->Fail(error);
  }
}

// A method that does no more than this.
template <bool (Connection::*method)(std::string*)>
napi_value Do(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  if (session == nullptr) return nullptr;
  const Session::Use use(session);
  if (!use) return nullptr;
  std::string error;
  if (!(session->connection()->*method)(&error)) return session->Fail(error);
  return nullptr;
}

napi_value Depth(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  return session != nullptr ? NewNumber(env, session->connection()->depth()) : nullptr;
}

napi_value HasChanges(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  if (session == nullptr) return nullptr;
  napi_value has = nullptr;
  napi_get_boolean(env, session->connection()->has_changes(), &has);
  return has;
}

napi_value Size(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  if (session == nullptr) return nullptr;
  const Session::Use use(session);
  if (!use) return nullptr;
  std::string error;
  const int64_t size = session->connection()->Size(&error);
  return size >= 0 ? NewNumber(env, static_cast<double>(size)) : session->Fail(error);
}

napi_value Pages(napi_env env, const PageStore::Changes& changes) {
  napi_value pages;
  napi_create_array_with_length(env, changes.pages.size(), &pages);
  for (size_t i = 0; i < changes.pages.size(); ++i) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return nullptr;
    const auto& [number, bytes] = changes.pages[i];
    napi_value content;
    if (bytes == nullptr) {
      napi_get_null(env, &content);
    } else {
      void* copy = nullptr;
      napi_value buffer;
      if (napi_create_arraybuffer(env, kHubPageSize, &copy, &buffer) != napi_ok) {
        napi_close_handle_scope(env, scope);
        return Throw(env, "There is no memory for the database's changes.");
      }
      memcpy(copy, bytes, kHubPageSize);
      napi_create_typedarray(env, napi_uint8_array, kHubPageSize, buffer, 0, &content);
    }
    napi_value pair;
    napi_create_array_with_length(env, 2, &pair);
    napi_set_element(env, pair, 0, NewNumber(env, number));
    napi_set_element(env, pair, 1, content);
    napi_set_element(env, pages, i, pair);
    napi_close_handle_scope(env, scope);
  }
  return pages;
}

napi_value TakeChanges(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  if (session == nullptr) return nullptr;
  const Session::Use use(session);
  if (!use) return nullptr;
  std::string error;
  PageStore::Changes changes;
  if (!session->connection()->TakeChanges(&changes, &error)) return session->Fail(error);
  const napi_value pages = Pages(env, changes);
  if (pages == nullptr) return nullptr;
  napi_value result;
  napi_create_object(env, &result);
  SetProperty(env, result, "number", NewNumber(env, static_cast<double>(changes.number)));
  SetProperty(env, result, "pageCount", NewNumber(env, changes.page_count));
  SetProperty(env, result, "pages", pages);
  return result;
}

napi_value ConfirmChanges(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  Session* session = SessionOf(env, info, &count, &argument);
  if (session == nullptr) return nullptr;
  double number;
  if (napi_get_value_double(env, argument, &number) != napi_ok || number < 0) {
    return ThrowTypeError(env, "Changes are confirmed by the number that they were taken with.");
  }
  session->connection()->Confirm(static_cast<uint64_t>(number));
  return nullptr;
}

napi_value KeptPages(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  return session != nullptr ? NewNumber(env, static_cast<double>(session->connection()->store().kept()))
                            : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  size_t count = 0;
  Session* session = SessionOf(env, info, &count, nullptr);
  if (session == nullptr) return nullptr;
  const Session::Use use(session);
  if (use) session->connection()->Close();
  return nullptr;
}

}  // namespace

napi_value DefineDatabase(napi_env env, napi_value statement) {
  auto classes = std::make_unique<Classes>();
  if (napi_create_reference(env, statement, 1, &classes->statement) != napi_ok) return nullptr;
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Classes*>(data); };
  if (napi_set_instance_data(env, classes.get(), destroy, nullptr) != napi_ok) return nullptr;
  static_cast<void>(classes.release());

  const auto method = [](const char* name, napi_callback function) {
    return napi_property_descriptor{name, nullptr, function, nullptr, nullptr, nullptr, kMethod, nullptr};
  };
  const auto getter = [](const char* name, napi_callback function) {
    return napi_property_descriptor{name,    nullptr, nullptr,      function,
                                    nullptr, nullptr, napi_default, nullptr};
  };
  const napi_property_descriptor properties[] = {
      method("prepare", Prepare),
      method("begin", Do<&Connection::Begin>),
      method("commit", Do<&Connection::Commit>),
      method("rollback", Do<&Connection::Rollback>),
      getter("depth", Depth),
      getter("hasChanges", HasChanges),
      method("takeChanges", TakeChanges),
      method("confirmChanges", ConfirmChanges),
      getter("keptPages", KeptPages),
      getter("size", Size),
      method("clear", Do<&Connection::Clear>),
      method("close", Close),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, "Database", NAPI_AUTO_LENGTH, New, nullptr, std::size(properties), properties,
                    &constructor);
  return constructor;
}

}  // namespace dormouse
