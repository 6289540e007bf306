#include "gateway/takeover/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/unix_address.h"

namespace dormouse::takeover {
namespace {

// Descriptors on their way count against the sender's limit: the other has to take some first.
constexpr std::chrono::milliseconds kInFlightPause{1};

bool ReadOther(int fd, ucred* other) {
  socklen_t size = sizeof(*other);
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, other, &size) == 0;
}

}  // namespace

Channel::Channel(Channel&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Channel Channel::Connect(const std::string& path) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) return {};
  Channel channel(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!channel.is_open() ||
      connect(channel.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      !channel.IsSameUser()) {
    return {};
  }
  return channel;
}

bool Channel::IsSameUser() const {
  ucred other{};
  return ReadOther(fd_, &other) && other.uid == geteuid();
}

int Channel::other_pid() const {
  ucred other{};
  return ReadOther(fd_, &other) ? other.pid : 0;
}

void Channel::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

bool Channel::WaitFor(int16_t events, int64_t deadline_ms) const {
  while (true) {
    const int64_t left = deadline_ms - SteadyMs();
    if (left <= 0) return false;
    pollfd waited{fd_, events, 0};
    const int ready = poll(&waited, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool Channel::Send(std::string_view packet, std::span<const int> descriptors, int64_t deadline_ms) {
  iovec bytes{const_cast<char*>(packet.data()), packet.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  while (true) {
    if (sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno == ETOOMANYREFS && SteadyMs() < deadline_ms) {
      std::this_thread::sleep_for(kInFlightPause);
    } else if (errno == EAGAIN || errno == ENOBUFS) {
      if (!WaitFor(POLLOUT, deadline_ms)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
}

Channel::Received Channel::Receive(std::string* packet, std::vector<int>* descriptors, int64_t deadline_ms) {
  descriptors->clear();
  packet->resize(kMaxPacket);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control;
  bool was_reset = false;
  while (true) {
    iovec bytes{packet->data(), packet->size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // The other has ended without reading all: what it said before that is to be read yet.
    if (size < 0 && errno == ECONNRESET && !std::exchange(was_reset, true)) continue;
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!WaitFor(POLLIN, deadline_ms)) return Received::kLate;
      continue;
    }
    if (size <= 0) return Received::kGone;
    packet->resize(static_cast<size_t>(size));
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      descriptors->resize(count);
      std::memcpy(descriptors->data(), CMSG_DATA(header), count * sizeof(int));
    }
    if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0) return Received::kPacket;
    for (const int fd : std::exchange(*descriptors, {})) close(fd);
    return Received::kCut;
  }
}

}  // namespace dormouse::takeover
