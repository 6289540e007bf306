#include "common/rpc/tcp_dial.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/rpc/stream_bytes.h"

namespace dormouse {
namespace {

constexpr double kConnectS = 1;

// Connects, or has begun to. -1: errno.
int BeginToConnect(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    errno = EINVAL;
    return -1;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  SetUpLinkSocket(fd);
  if (connect(fd, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

TcpDial::TcpDial(struct ev_loop* loop, std::vector<std::string> addresses, const std::string& port, Done done)
    : loop_(loop), addresses_(std::move(addresses)), port_(port), done_(std::move(done)) {
  ev_io_init(
      &connected_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<TcpDial*>(watcher->data)->OnConnected(); }, -1,
      EV_WRITE);
  ev_timer_init(
      &timer_,
      [](struct ev_loop*, ev_timer* watcher, int) {
        auto* const self = static_cast<TcpDial*>(watcher->data);
        if (self->fd_ < 0) {
          self->TryNext();
        } else {
          self->GoOn("it does not answer");
        }
      },
      0, 0);
  connected_.data = timer_.data = this;
  ev_timer_start(loop_, &timer_);
}

TcpDial::~TcpDial() {
  ev_timer_stop(loop_, &timer_);
  if (const int fd = Release(); fd >= 0) close(fd);
}

void TcpDial::TryNext() {
  fd_ = BeginToConnect(addresses_[tried_++], port_);
  if (fd_ < 0) return GoOn(std::strerror(errno));
  ev_io_set(&connected_, fd_, EV_WRITE);
  ev_io_start(loop_, &connected_);
  ev_timer_set(&timer_, kConnectS, 0);
  ev_timer_start(loop_, &timer_);
}

void TcpDial::OnConnected() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return GoOn(std::strerror(error));
  Finish(Release(), "");
}

void TcpDial::GoOn(const std::string& why) {
  ev_timer_stop(loop_, &timer_);
  if (const int fd = Release(); fd >= 0) close(fd);
  if (tried_ < addresses_.size()) return TryNext();
  Finish(-1, why);
}

int TcpDial::Release() {
  ev_io_stop(loop_, &connected_);
  return std::exchange(fd_, -1);
}

void TcpDial::Finish(int fd, const std::string& why) {
  ev_timer_stop(loop_, &timer_);
  const Done done = std::move(done_);
  done(fd, why);
}

}  // namespace dormouse
