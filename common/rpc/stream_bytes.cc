#include "common/rpc/stream_bytes.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace dormouse {
namespace {

// With nothing under way: the first question after so long, the next ones, and how many get no answer.
constexpr int kKeepaliveIdleS = 2;
constexpr int kKeepaliveIntervalS = 1;
constexpr int kKeepaliveCount = 2;
// With something under way: sent again, and nothing has come for so long.
constexpr uint32_t kSilentMs = 3500;
// What the kernel is to take of a unix socket before the other end reads; it gives as much of that as the system
// allows. Each time that it is full, both processes take turns.
constexpr int kLocalSendBuffer = 1 << 20;

}  // namespace

std::unique_ptr<StreamBytes> PlainBytes::OfUnixSocket(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kLocalSendBuffer, sizeof(kLocalSendBuffer));
  return std::make_unique<PlainBytes>(fd, false);
}

std::unique_ptr<StreamBytes> PlainBytes::OfTcp(int fd) { return std::make_unique<PlainBytes>(fd, true); }

PlainBytes::~PlainBytes() { close(fd_); }

ssize_t PlainBytes::Read(char* to, size_t size) {
  const ssize_t got = recv(fd_, to, size, 0);
  if (got > 0) return got;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  set_why(got == 0 ? "the other end is gone" : "the connection broke");
  return -1;
}

ssize_t PlainBytes::Write(const iovec* parts, size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? 0 : -1;
  }
}

// Not TCP_USER_TIMEOUT: that ends connections, too, whose other end lives and does not read (for its store is
// away, say).
bool PlainBytes::IsDeadTcp(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_unacked > 0 && info.tcpi_retransmits > 0 && info.tcpi_last_ack_recv >= kSilentMs;
}

void SetUpLinkSocket(int fd) {
  const auto set = [fd](int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof(value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalS);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
}

}  // namespace dormouse
