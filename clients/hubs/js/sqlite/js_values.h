// What the addon's classes have in common when they speak Node-API.
#pragma once

#include <node_api.h>

#include <string>

namespace dormouse {

// Throws an Error, and is what a function returns then.
napi_value Throw(napi_env env, const std::string& text);
napi_value ThrowTypeError(napi_env env, const std::string& text);

// The object behind `this` of a method; nullptr, with an exception: it is another one's. `*count` arguments at most
// come to `arguments`, and `*count` says how many there were.
template <typename T>
T* Receiver(napi_env env, napi_callback_info info, size_t* count, napi_value* arguments,
            napi_value* receiver = nullptr) {
  napi_value self;
  void* object = nullptr;
  if (napi_get_cb_info(env, info, count, arguments, &self, nullptr) != napi_ok ||
      napi_unwrap(env, self, &object) != napi_ok) {
    ThrowTypeError(env, "This is a method of another class.");
    return nullptr;
  }
  if (receiver != nullptr) *receiver = self;
  return static_cast<T*>(object);
}

// False: it is no string.
bool GetString(napi_env env, napi_value value, std::string* text);
// Bytes of an ArrayBuffer or of a view of one, valid as long as nothing of JavaScript runs; never nullptr. False: it is
// none.
bool GetBytes(napi_env env, napi_value value, const char** bytes, size_t* size);

napi_value NewNumber(napi_env env, double value);
void SetProperty(napi_env env, napi_value object, const char* name, napi_value value);

constexpr napi_property_attributes kMethod =
    static_cast<napi_property_attributes>(napi_writable | napi_configurable);

}  // namespace dormouse
