#include "clients/load/sockets.h"

#include <netdb.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace dormouse::load {

sockaddr_in ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (colon == std::string::npos ||
      getaddrinfo(text.substr(0, colon).c_str(), text.c_str() + colon + 1, &hints, &found) != 0) {
    throw std::runtime_error("'" + text + "' is not HOST:PORT of a host that is known");
  }
  const sockaddr_in address = *reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  freeaddrinfo(found);
  return address;
}

void RaiseDescriptorLimit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

Sockets::Sockets(size_t size) : epoll_(epoll_create1(EPOLL_CLOEXEC)), sockets_(size) {}
Sockets::~Sockets() { close(epoll_); }

void Sockets::Open(size_t index, const sockaddr_in& server, const std::string& path) {
  sockets_[index].socket.Connect(server, path);
  Watch(EPOLL_CTL_ADD, index);
}

void Sockets::Send(size_t index, std::string_view text, size_t count) {
  Watched& watched = sockets_[index];
  watched.socket.SendText(text, count);
  if (watched.socket.wants_to_write() && (watched.events & EPOLLOUT) == 0) Watch(EPOLL_CTL_MOD, index);
}

bool Sockets::Turn(int timeout_ms, Handler* handler) {
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const size_t index = events[i].data.u64;
    WebSocket& socket = sockets_[index].socket;
    bool was_open = socket.is_open();
    const bool goes_on = socket.OnReady([&](std::string_view text) {
      if (!was_open) handler->OnOpen(index);
      was_open = true;
      handler->OnFrame(index, text);
    });
    if (!goes_on) {
      handler->OnEnd(index, was_open, socket.end());
      continue;
    }
    if (!was_open && socket.is_open()) handler->OnOpen(index);
    const bool writes = (sockets_[index].events & EPOLLOUT) != 0;
    if (writes != socket.wants_to_write()) Watch(EPOLL_CTL_MOD, index);
  }
  return count > 0;
}

void Sockets::Watch(int operation, size_t index) {
  Watched& watched = sockets_[index];
  // Until it is connected, writable is what to wait for.
  watched.events = EPOLLIN | (watched.socket.wants_to_write() ? EPOLLOUT : 0U);
  epoll_event event{};
  event.events = watched.events;
  event.data.u64 = index;
  if (epoll_ctl(epoll_, operation, watched.socket.fd(), &event) != 0) throw std::runtime_error("epoll_ctl");
}

}  // namespace dormouse::load
