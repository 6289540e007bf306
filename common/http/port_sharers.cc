#include "common/http/port_sharers.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/host_port.h"

namespace dormouse {
namespace {

constexpr int64_t kLockPatienceMs = 5'000;
constexpr std::chrono::milliseconds kLockLook{5};

std::string Prefix(const std::string& port) {
  return fmt::format("dormouse-listener-{}-{}-", geteuid(), port);
}

std::string Digest(const std::string& group) {
  return fmt::format("{:016x}", XXH3_64bits(group.data(), group.size()));
}

// An abstract unix socket; -1: the name is taken.
int Bind(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), std::min(name.size(), sizeof(address.sun_path) - 1));
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

void Close(int* fd) {
  if (*fd >= 0) close(std::exchange(*fd, -1));
}

// Somebody listens where that would.
bool IsInUse(const HostPort& address) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0)
    return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // connections that linger are no matter
  const bool in_use = bind(fd, found->ai_addr, found->ai_addrlen) != 0 && errno == EADDRINUSE;
  close(fd);
  return in_use;
}

struct Marks {
  bool own = false;  // of the same group
  bool others = false;
};
Marks FindMarks(const std::string& port, const std::string& digest) {
  const std::string prefix = Prefix(port);
  Marks marks;
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    const size_t at = line.find('@' + prefix);
    if (at == std::string::npos) continue;
    const bool same = std::string_view(line).substr(at + 1 + prefix.size()).starts_with(digest);
    (same ? marks.own : marks.others) = true;
  }
  return marks;
}

}  // namespace

PortSharers::PortSharers(std::string group) : group_(std::move(group)) {}

PortSharers::~PortSharers() {
  Close(&lock_);
  Close(&mark_);
}

std::string PortSharers::Claim(const std::string& address) {
  const std::optional<HostPort> parsed = HostPort::Parse(address);
  if (!parsed.has_value() || parsed->port == 0) return "";  // what cannot be the listener says
  const std::string port = std::to_string(parsed->port);
  const int64_t deadline_ms = SteadyMs() + kLockPatienceMs;
  // Without the lock, as when somebody who has it was stopped, two that start at once may not see each other.
  while ((lock_ = Bind("lock-of-" + Prefix(port))) < 0 && SteadyMs() < deadline_ms) {
    std::this_thread::sleep_for(kLockLook);
  }
  if (!IsInUse(*parsed)) return "";
  const Marks marks = FindMarks(port, Digest(group_));
  if (marks.own && !marks.others) return "";
  Close(&lock_);
  return fmt::format("cannot listen on {}: {}", address,
                     marks.others ? "a gateway of another cluster does" : std::strerror(EADDRINUSE));
}

void PortSharers::Settle(int port) {
  // More than one of a group: a number tells them apart.
  for (int i = 0; mark_ < 0 && i < 10'000; ++i) {
    mark_ = Bind(fmt::format("{}{}-{}", Prefix(std::to_string(port)), Digest(group_), i));
  }
  Close(&lock_);
}

}  // namespace dormouse
