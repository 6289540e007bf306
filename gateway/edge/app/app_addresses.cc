#include "gateway/edge/app/app_addresses.h"

#include "common/unix_address.h"

namespace dormouse::edge {

int AppAddresses::ConnectTo(const std::string& address) const {
  if (address.starts_with('/')) return ConnectToUnixSocket(address);
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
