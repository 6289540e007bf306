#include "clients/hubs/js/sqlite/session.h"

#include <cstring>
#include <utility>

#include "clients/hubs/js/sqlite/js_values.h"

namespace dormouse {

Session::Session(napi_env env, napi_value read_page, uint32_t page_count, size_t cache_size)
    : env_(env),
      connection_(
          page_count, [this](uint32_t number, uint8_t* page) { return ReadPage(number, page); }, cache_size) {
  napi_create_reference(env_, read_page, 0, &read_page_);
}

Session::~Session() {
  if (thrown_ != nullptr) napi_delete_reference(env_, thrown_);
  if (read_page_ != nullptr) napi_delete_reference(env_, read_page_);
  // The connection is closed after this, and is not to ask any more.
  read_page_ = nullptr;
}

bool Session::ReadPage(uint32_t number, uint8_t* page) {
  // A step may read many pages.
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  const bool ok = CallReader(number, page);
  napi_close_handle_scope(env_, scope);
  return ok;
}

bool Session::CallReader(uint32_t number, uint8_t* page) {
  napi_value reader = nullptr;
  napi_value receiver;
  napi_value argument;
  napi_value result;
  if (read_page_ == nullptr) return false;
  if (napi_get_reference_value(env_, read_page_, &reader) != napi_ok || reader == nullptr) return false;
  napi_get_undefined(env_, &receiver);
  napi_create_uint32(env_, number, &argument);
  if (napi_call_function(env_, receiver, reader, 1, &argument, &result) != napi_ok) {
    napi_value exception;
    if (napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
      if (thrown_ != nullptr) napi_delete_reference(env_, thrown_);
      thrown_ = nullptr;
      napi_create_reference(env_, exception, 1, &thrown_);
    }
    return false;
  }
  napi_valuetype type;
  napi_typeof(env_, result, &type);
  if (type == napi_null || type == napi_undefined) {
    memset(page, 0, kHubPageSize);
    return true;
  }
  const char* bytes;
  size_t size;
  if (!GetBytes(env_, result, &bytes, &size) || size != kHubPageSize) return false;
  memcpy(page, bytes, kHubPageSize);
  return true;
}

napi_value Session::Fail(const std::string& error) {
  napi_value exception = nullptr;
  if (thrown_ != nullptr) {
    napi_get_reference_value(env_, thrown_, &exception);
    napi_delete_reference(env_, thrown_);
    thrown_ = nullptr;
  }
  if (exception == nullptr) return Throw(env_, error);
  napi_throw(env_, exception);
  return nullptr;
}

void Session::Drop(std::unique_ptr<Prepared> statement) {
  if (in_use_) {
    dropped_.push_back(std::move(statement));
  } else {
    connection_.Finalize(std::move(statement));
  }
}

Session::Use::Use(Session* session) : session_(session), is_first_(!session->in_use_) {
  if (is_first_) {
    session_->in_use_ = true;
  } else {
    Throw(session_->env_, "The database is in use: what reads its pages must not use it.");
  }
}

Session::Use::~Use() {
  if (!is_first_) return;
  session_->in_use_ = false;
  for (auto& statement : session_->dropped_) session_->connection_.Finalize(std::move(statement));
  session_->dropped_.clear();
}

}  // namespace dormouse
