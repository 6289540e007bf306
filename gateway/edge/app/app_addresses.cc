#include "gateway/edge/app/app_addresses.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/unix_address.h"

namespace dormouse::edge {
namespace {

// A unix socket takes a connection at once or not at all: nobody listens, or too many wait to be accepted.
int ConnectToPath(const std::string& path) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

int AppAddresses::ConnectTo(const std::string& address) const {
  if (address.starts_with('/')) return ConnectToPath(address);
  return connector_ ? connector_(address) : -1;
}

int AppAddresses::Connect() {
  for (size_t tried = 0; tried < addresses_.size(); ++tried) {
    const int fd = ConnectTo(addresses_[next_++ % addresses_.size()]);
    if (fd >= 0) return fd;
  }
  return -1;
}

}  // namespace dormouse::edge
