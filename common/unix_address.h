// The address of a unix socket.
#pragma once

#include <sys/un.h>

#include <cstring>
#include <optional>
#include <string>

namespace dormouse {

// What a path may have at most.
inline constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

// None: the path is too long.
inline std::optional<sockaddr_un> UnixAddress(const std::string& path) {
  if (path.size() > kMaxUnixPath) return std::nullopt;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace dormouse
