#include "gateway/edge/fallback/siblings.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/logging.h"
#include "common/passed_descriptors.h"

namespace dormouse::edge {
namespace {

constexpr int kBacklog = 512;
constexpr int kTakenPerTurn = 64;
// A head, and what one read brought with it.
constexpr size_t kMaxHandedOver = 64u << 10;

struct Address {
  sockaddr_un name{};
  socklen_t size = 0;
};
Address AddressOf(std::string_view tag) {
  const std::string text = fmt::format("dormouse-fallback-{}-{}", geteuid(), tag);
  Address address;
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path + 1, text.data(),
              std::min(text.size(), sizeof(address.name.sun_path) - 1));
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return address;
}

int NewSocket() { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

}  // namespace

Siblings::Siblings(struct ev_loop* loop, Arrived arrived) : loop_(loop), arrived_(std::move(arrived)) {
  static_assert(kTagSize % 2 == 0);
  tag_ = NewSecretHex(kTagSize / 2);
  const Address address = AddressOf(tag_);
  const int fd = NewSocket();
  ev_io_init(
      &io_, [](struct ev_loop*, ev_io* io, int) { static_cast<Siblings*>(io->data)->OnReadable(); }, fd,
      EV_READ);
  io_.data = this;
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address.name), address.size) != 0 ||
      listen(fd, kBacklog) != 0) {
    SPDLOG_WARN("gateways that share this port cannot hand over fallback connections: {}",
                std::strerror(errno));
    return;
  }
  ev_io_start(loop_, &io_);
}

Siblings::~Siblings() {
  ev_io_stop(loop_, &io_);
  if (io_.fd >= 0) close(io_.fd);
  for (Giver& giver : givers_) {
    ev_io_stop(loop_, &giver.io);
    close(giver.io.fd);
  }
}

bool Siblings::HandOver(std::string_view tag, int fd, const IpAddress& peer, std::string_view head,
                        std::string_view rest) {
  const Address address = AddressOf(tag);
  const int to = NewSocket();
  if (to < 0) return false;
  std::string who = peer.ToString();
  who.push_back('\n');
  const std::array<iovec, 3> parts = {iovec{who.data(), who.size()},
                                      iovec{const_cast<char*>(head.data()), head.size()},
                                      iovec{const_cast<char*>(rest.data()), rest.size()}};
  const bool sent = connect(to, reinterpret_cast<const sockaddr*>(&address.name), address.size) == 0 &&
                    SendWithDescriptors(to, parts, {&fd, 1}) > 0;
  close(to);
  return sent;
}

void Siblings::OnReadable() {
  for (int i = 0; i < kTakenPerTurn; ++i) {
    const int from = accept4(io_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (from < 0) return;
    if (givers_.size() == kMaxGivers) {
      close(from);
      continue;
    }
    // What it gives comes after it has been let in.
    Giver* const giver = &givers_.emplace_back(Giver{.siblings = this, .self = {}, .io = {}});
    giver->self = std::prev(givers_.end());
    ev_io_init(
        &giver->io,
        [](struct ev_loop*, ev_io* io, int) {
          auto* readable = static_cast<Giver*>(io->data);
          readable->siblings->OnGiver(readable);
        },
        from, EV_READ);
    giver->io.data = giver;
    ev_io_start(loop_, &giver->io);
  }
}

void Siblings::OnGiver(Giver* giver) {
  const int from = giver->io.fd;
  ev_io_stop(loop_, &giver->io);
  givers_.erase(giver->self);
  Receive(from);
  close(from);
}

void Siblings::Receive(int from) {
  const auto giver = PeerProcessOf(from);
  if (!giver.has_value() || !giver->is_same_user) return;
  std::string message(kMaxHandedOver, '\0');
  std::vector<int> descriptors;
  bool cut = false;
  if (ReceiveWithDescriptors(from, &message, &descriptors, &cut) <= 0) return;
  const std::string_view bytes = message;
  const size_t line = bytes.find('\n');
  const auto peer = IpAddress::Parse(bytes.substr(0, line));
  if (line == std::string_view::npos || !peer.has_value() || descriptors.size() != 1) {
    for (const int fd : descriptors) close(fd);
    return;
  }
  arrived_(descriptors.front(), *peer, bytes.substr(line + 1));
}

}  // namespace dormouse::edge
