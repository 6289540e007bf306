#include "common/unix_address.h"

#include <unistd.h>

namespace dormouse {

int ConnectToUnixSocket(const std::string& path) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace dormouse
