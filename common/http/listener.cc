#include "common/http/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/host_port.h"

namespace dormouse {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn
constexpr int kAcceptsPerTurn = 64;
constexpr double kPauseSeconds = 0.1;

int CrowdedFrom() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto descriptors = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 30));
  return descriptors - std::min(256, descriptors / 8);
}

int BindTo(const addrinfo& address, Listener::Sharing sharing) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (sharing == Listener::Sharing::kShared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // accepted sockets inherit it
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

Listener::Listener(struct ev_loop* loop, Accept accept)
    : loop_(loop), accept_(std::move(accept)), crowded_from_(CrowdedFrom()) {
  ev_io_init(
      &readable_, [](struct ev_loop*, ev_io* io, int) { static_cast<Listener*>(io->data)->OnReadable(); }, -1,
      EV_READ);
  readable_.data = this;
  ev_timer_init(
      &pause_,
      [](struct ev_loop* loop_again, ev_timer* timer, int) {
        ev_io_start(loop_again, &static_cast<Listener*>(timer->data)->readable_);
      },
      0, 0);
  pause_.data = this;
}

Listener::~Listener() { Stop(); }

std::string Listener::Listen(const std::string& address, Sharing sharing, const char* option) {
  if (const std::string why = WhyNotToListenAt(address); !why.empty())
    return std::string(option) + ": " + why;
  const HostPort at = *HostPort::Parse(address);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found);
  if (error != 0) return "cannot listen on " + address + ": " + gai_strerror(error);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr && fd_ < 0; each = each->ai_next)
    fd_ = BindTo(*each, sharing);
  if (fd_ < 0)
    return "cannot listen on " + address + ": " + std::strerror(errno) + ". Choose another with " + option;
  Begin();
  return "";
}

void Listener::Adopt(int fd) {
  fd_ = fd;
  Begin();
}

void Listener::Begin() {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size);
  port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ev_io_set(&readable_, fd_, EV_READ);
  ev_io_start(loop_, &readable_);
}

void Listener::Stop() {
  ev_io_stop(loop_, &readable_);
  ev_timer_stop(loop_, &pause_);
  if (fd_ >= 0) close(fd_);
  if (reserve_fd_ >= 0) close(reserve_fd_);
  fd_ = reserve_fd_ = -1;
}

void Listener::OnReadable() {
  // A visitor's handler may stop the listener.
  for (int i = 0; i < kAcceptsPerTurn && fd_ >= 0; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE) TurnOneAway();
      Pause();
      return;
    }
    // The kernel gives the lowest free number: a high one says how few are left.
    const bool crowded = fd >= crowded_from_;
    if (!accept_(fd, IpAddress::FromSocket(from), crowded)) {
      if (fd_ >= 0) Pause();
      return;
    }
  }
}

void Listener::Pause() {
  ev_io_stop(loop_, &readable_);
  ev_timer_set(&pause_, kPauseSeconds, 0);
  ev_timer_start(loop_, &pause_);
}

void Listener::TurnOneAway() {
  close(reserve_fd_);
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace dormouse
