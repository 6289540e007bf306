// Writes a command in Redis' protocol: RedisCommand("GET", key). Arguments may hold any bytes.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

namespace dormouse {

// For commands whose arguments are appended one by one; their number comes first in the protocol.
class RedisCommandBuilder {
 public:
  // `bytes`: about how many the long ones among them have.
  explicit RedisCommandBuilder(size_t arguments, size_t bytes = 0) {
    command_.reserve(32 * arguments + bytes);  // rather than growing step by step
    fmt::format_to(std::back_inserter(command_), FMT_STRING("*{}\r\n"), arguments);
  }
  void Append(std::string_view argument) { Append(argument, {}); }
  // One argument made of two parts.
  void Append(std::string_view head, std::string_view tail) {
    fmt::format_to(std::back_inserter(command_), FMT_STRING("${}\r\n"), head.size() + tail.size());
    command_.append(head).append(tail).append("\r\n");
  }
  std::string Take() { return std::move(command_); }

 private:
  std::string command_;
};

template <typename... Arguments>
std::string RedisCommand(const Arguments&... arguments) {
  RedisCommandBuilder builder(sizeof...(arguments));
  (builder.Append(arguments), ...);
  return builder.Take();
}

}  // namespace dormouse
