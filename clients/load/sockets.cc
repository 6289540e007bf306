#include "clients/load/sockets.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace dormouse::load {

size_t RaiseDescriptorLimit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

Sockets::Sockets(size_t size)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), workspace_(new WebSocket::Workspace), sockets_(size) {}
Sockets::~Sockets() { close(epoll_); }

void Sockets::Open(size_t index, const Endpoint& server, const Upgrade& upgrade) {
  sockets_[index].socket.Connect(server, upgrade);
  Watch(EPOLL_CTL_ADD, index);
}

void Sockets::Send(size_t index, std::string_view text, size_t count) {
  WebSocket& socket = sockets_[index].socket;
  if (!socket.is_open()) return;
  std::string* const frames = index == handled_ ? &workspace_->out : &frames_;
  for (size_t i = 0; i < count; ++i) WebSocket::AppendText(text, frames);
  if (index == handled_) return;
  socket.Write(frames_);
  frames_.clear();
  WatchForWriting(index);
}

void Sockets::AlsoAwait(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kNone;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

bool Sockets::Turn(std::chrono::nanoseconds timeout, Handler* handler) {
  constexpr int64_t kSecond = 1'000'000'000;
  epoll_event events[256];
  const timespec wait{.tv_sec = timeout.count() / kSecond, .tv_nsec = timeout.count() % kSecond};
  const int count = epoll_pwait2(epoll_, events, 256, &wait, nullptr);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 != kNone) Handle(events[i].data.u64, handler);
  }
  return count > 0;
}

void Sockets::Handle(size_t index, Handler* handler) {
  WebSocket& socket = sockets_[index].socket;
  bool was_open = socket.is_open();
  handled_ = index;
  for (bool more = true; more;) {
    more = socket.Receive(workspace_.get());
    if (!was_open && socket.is_open()) {
      was_open = true;
      handler->OnOpen(index);
    }
    std::string_view text;
    while (socket.NextFrame(workspace_.get(), &text)) handler->OnFrame(index, text);
    if (!socket.Finish(workspace_.get())) {
      workspace_->out.clear();
      handled_ = kNone;
      handler->OnEnd(index, was_open, socket.end());
      return;
    }
  }
  handled_ = kNone;
  WatchForWriting(index);
}

void Sockets::WatchForWriting(size_t index) {
  const Watched& watched = sockets_[index];
  if (((watched.events & EPOLLOUT) != 0) != watched.socket.wants_to_write()) Watch(EPOLL_CTL_MOD, index);
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
