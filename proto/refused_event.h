// What a lane says when it ends a stream because of an event that it cannot read: where on the stream that
// was. So its gateway can tell which one it was, whatever is wrong with it, and need not send it again.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace dormouse {

// `begin`: bytes of events on the stream before it; it may wrap. Goes into a grpc::Status, as its details.
inline std::string RefusedEventDetails(uint32_t begin) {
  return {reinterpret_cast<const char*>(&begin), sizeof(begin)};
}

inline std::optional<uint32_t> ReadRefusedEventDetails(const std::string& details) {
  uint32_t begin = 0;
  if (details.size() != sizeof(begin)) return {};
  std::memcpy(&begin, details.data(), sizeof(begin));
  return begin;
}

}  // namespace dormouse
