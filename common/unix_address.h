// The address of a unix socket, and a connection to it.
#pragma once

#include <sys/socket.h>
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

// A connection that does not block, or -1. A unix socket takes one at once or not at all: nobody listens, or too many wait
// to be accepted.
int ConnectToUnixSocket(const std::string& path);

}  // namespace dormouse
