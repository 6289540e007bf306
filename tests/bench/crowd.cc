#include "tests/bench/crowd.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace dormouse::bench {
namespace {

constexpr size_t kOpening = 128;

}  // namespace

sockaddr_in ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("'" + text + "' is not IPv4:PORT");
  }
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(colon + 1))));
  return address;
}

void RaiseDescriptorLimit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

void ExpectStart(std::string_view frame, std::string_view start) {
  if (!frame.starts_with(start))
    throw std::runtime_error("unexpected frame: " + std::string(frame.substr(0, 200)));
}

Crowd::Crowd(const std::string& target)
    : server_(ParseAddress(target)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
Crowd::~Crowd() { close(epoll_); }

void Crowd::Open(size_t count, const std::function<std::string(size_t index)>& path,
                 std::string_view welcome) {
  sockets_.reserve(count);
  size_t welcomed = 0;
  const size_t& done = welcome.empty() ? open_ : welcomed;
  while (done < count) {
    while (sockets_.size() < count && sockets_.size() < done + kOpening) {
      const size_t index = sockets_.size();
      sockets_.emplace_back().Connect(server_, path(index));
      // Until it is connected, writable is what to wait for.
      Watch(EPOLL_CTL_ADD, index, EPOLLOUT);
    }
    Turn([&](size_t, std::string_view text) {
      ExpectStart(text, welcome);
      ++welcomed;
    });
  }
}

void Crowd::Turn(const FrameCallback& on_frame) {
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, 30'000);
  if (count == 0) throw std::runtime_error("nothing came for 30 s");
  for (int i = 0; i < count; ++i) {
    const size_t index = events[i].data.u64;
    WebSocket& socket = sockets_[index];
    const bool was_open = socket.is_open();
    socket.OnReady([&](std::string_view text) { on_frame(index, text); });
    if (!was_open && socket.is_open()) ++open_;
    if ((events[i].events & EPOLLOUT) != 0) Watch(EPOLL_CTL_MOD, index, EPOLLIN);
  }
}

void Crowd::Watch(int operation, size_t index, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = index;
  if (epoll_ctl(epoll_, operation, sockets_[index].fd(), &event) != 0) throw std::runtime_error("epoll_ctl");
}

}  // namespace dormouse::bench
