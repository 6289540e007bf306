#include "clients/hubs/js/sqlite/js_values.h"

namespace dormouse {
namespace {

size_t ElementSize(napi_typedarray_type type) {
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 1;
  }
}

}  // namespace

napi_value Throw(napi_env env, const std::string& text) {
  napi_throw_error(env, nullptr, text.c_str());
  return nullptr;
}

napi_value ThrowTypeError(napi_env env, const std::string& text) {
  napi_throw_type_error(env, nullptr, text.c_str());
  return nullptr;
}

bool GetString(napi_env env, napi_value value, std::string* text) {
  // Most fit here, and are read by one call.
  char small[512];
  size_t size = 0;
  if (napi_get_value_string_utf8(env, value, small, sizeof(small), &size) != napi_ok) return false;
  // A character that does not fit is left out whole, of up to four bytes.
  if (size + 4 < sizeof(small)) {
    text->assign(small, size);
    return true;
  }
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) return false;
  // With room for the zero that it ends with.
  text->resize(size + 1);
  napi_get_value_string_utf8(env, value, text->data(), size + 1, &size);
  text->resize(size);
  return true;
}

bool GetBytes(napi_env env, napi_value value, const char** bytes, size_t* size) {
  void* data = nullptr;
  bool is = false;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    napi_typedarray_type type;
    if (napi_get_typedarray_info(env, value, &type, size, &data, nullptr, nullptr) != napi_ok) return false;
    *size *= ElementSize(type);
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &data, size) != napi_ok) return false;
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    if (napi_get_dataview_info(env, value, size, &data, nullptr, nullptr) != napi_ok) return false;
  } else {
    return false;
  }
  *bytes = data != nullptr && *size != 0 ? static_cast<const char*>(data) : "";
  return true;
}

napi_value NewNumber(napi_env env, double value) {
  napi_value number = nullptr;
  napi_create_double(env, value, &number);
  return number;
}

void SetProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

}  // namespace dormouse
