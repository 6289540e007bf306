#include "gateway/takeover/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/passed_descriptors.h"
#include "common/unix_address.h"

namespace dormouse::takeover {
namespace {

// Descriptors on their way count against the sender's limit: the other has to take some first.
constexpr std::chrono::milliseconds kInFlightPause{1};

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
  const auto other = PeerProcessOf(fd_);
  return other.has_value() && other->is_same_user;
}

int Channel::other_pid() const {
  const auto other = PeerProcessOf(fd_);
  return other.has_value() ? other->pid : 0;
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
  const iovec bytes{const_cast<char*>(packet.data()), packet.size()};
  while (true) {
    if (SendWithDescriptors(fd_, {&bytes, 1}, descriptors) >= 0) return true;
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
  packet->resize(kMaxPacket);
  bool was_reset = false;
  while (true) {
    bool cut = false;
    const ssize_t size = ReceiveWithDescriptors(fd_, packet, descriptors, &cut);
    // The other has ended without reading all: what it said before that is to be read yet.
    if (size < 0 && errno == ECONNRESET && !std::exchange(was_reset, true)) continue;
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!WaitFor(POLLIN, deadline_ms)) return Received::kLate;
      continue;
    }
    if (size <= 0) return Received::kGone;
    return cut ? Received::kCut : Received::kPacket;
  }
}

}  // namespace dormouse::takeover
