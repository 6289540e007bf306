#include "clients/hubs/js/sqlite/sync_channel_class.h"

#include <chrono>
#include <iterator>
#include <memory>
#include <string>

#include "clients/hubs/js/sqlite/js_values.h"
#include "clients/hubs/js/sqlite/sync_channel.h"

namespace dormouse {
namespace {

constexpr double kDefaultTimeoutMs = 30000;
constexpr double kMaxTimeoutMs = 1e9;

struct Channel {
  SyncChannel channel;
  std::chrono::milliseconds timeout{};
};

napi_value New(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = std::size(arguments);
  napi_value self;
  napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
  std::string path;
  double timeout = kDefaultTimeoutMs;
  if (!GetString(env, arguments[0], &path))
    return ThrowTypeError(env, "A channel takes the path of a socket.");
  if (count > 1 && (napi_get_value_double(env, arguments[1], &timeout) != napi_ok || !(timeout >= 0) ||
                    timeout > kMaxTimeoutMs)) {
    return ThrowTypeError(env, "A timeout is a number of milliseconds.");
  }
  auto channel = std::make_unique<Channel>();
  channel->timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout));
  std::string error;
  if (!channel->channel.Connect(path, &error)) return Throw(env, error);
  const auto destroy = [](napi_env, void* behind, void*) { delete static_cast<Channel*>(behind); };
  if (napi_wrap(env, self, channel.get(), destroy, nullptr, nullptr) != napi_ok) return nullptr;
  static_cast<void>(channel.release());
  return self;
}

// The channel that is to send what the call has as its argument. nullptr: something was thrown.
Channel* Sender(napi_env env, napi_callback_info info, const char** bytes, size_t* size) {
  napi_value argument;
  size_t count = 1;
  auto* channel = Receiver<Channel>(env, info, &count, &argument);
  if (channel == nullptr || GetBytes(env, argument, bytes, size)) return channel;
  ThrowTypeError(env, "What is sent are bytes.");
  return nullptr;
}

napi_value Request(napi_env env, napi_callback_info info) {
  const char* bytes;
  size_t size;
  Channel* const channel = Sender(env, info, &bytes, &size);
  if (channel == nullptr) return nullptr;
  std::string answer;
  std::string error;
  if (!channel->channel.Request(bytes, size, channel->timeout, &answer, &error)) return Throw(env, error);
  napi_value buffer = nullptr;
  if (napi_create_buffer_copy(env, answer.size(), answer.data(), nullptr, &buffer) != napi_ok) {
    return Throw(env, "There is no memory for the answer.");
  }
  return buffer;
}

napi_value Send(napi_env env, napi_callback_info info) {
  const char* bytes;
  size_t size;
  Channel* const channel = Sender(env, info, &bytes, &size);
  if (channel == nullptr) return nullptr;
  std::string error;
  if (!channel->channel.Send(bytes, size, channel->timeout, &error)) return Throw(env, error);
  return nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  size_t count = 0;
  auto* channel = Receiver<Channel>(env, info, &count, nullptr);
  if (channel != nullptr) channel->channel.Close();
  return nullptr;
}

}  // namespace

napi_value DefineSyncChannel(napi_env env) {
  const napi_property_descriptor properties[] = {
      {"request", nullptr, Request, nullptr, nullptr, nullptr, kMethod, nullptr},
      {"send", nullptr, Send, nullptr, nullptr, nullptr, kMethod, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, kMethod, nullptr},
  };
  napi_value constructor = nullptr;
  napi_define_class(env, "SyncChannel", NAPI_AUTO_LENGTH, New, nullptr, std::size(properties), properties,
                    &constructor);
  return constructor;
}

}  // namespace dormouse
