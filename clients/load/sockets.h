// A fixed number of WebSockets on one epoll set, each of which may be opened, end and be opened again. One
// thread; callbacks come from within Turn().
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "clients/load/endpoint.h"
#include "clients/load/web_socket.h"

namespace dormouse::load {

// As many file descriptors as this process may have; returns how many.
size_t RaiseDescriptorLimit();

class Sockets {
 public:
  // Callbacks may Send, but not Open, Close and Break.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnOpen(size_t index) = 0;
    virtual void OnFrame(size_t index, std::string_view text) = 0;
    // `was_open`: else it could not be opened.
    virtual void OnEnd(size_t index, bool was_open, const WebSocket::End& end) = 0;
  };

  explicit Sockets(size_t size);
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  void Open(size_t index, const Endpoint& server, const Upgrade& upgrade);
  // A text frame, `count` times. What is sent to a socket while its frames are being handled goes out behind
  // the last of them, in one write.
  void Send(size_t index, std::string_view text, size_t count = 1);
  void Close(size_t index, int code) { sockets_[index].socket.Close(code); }
  void Break(size_t index) { sockets_[index].socket.Break(); }

  // Turn also returns when this descriptor, somebody else's, is readable.
  void AlsoAwait(int fd);

  // Handles what has happened; waits for it for up to that long. False: nothing has.
  bool Turn(std::chrono::nanoseconds timeout, Handler* handler);

  // Readable when Turn has something to do.
  int fd() const { return epoll_; }
  size_t size() const { return sockets_.size(); }

 private:
  struct Watched {
    WebSocket socket;
    uint32_t events = 0;  // that epoll waits for
  };

  void Handle(size_t index, Handler* handler);
  void Watch(int operation, size_t index);
  void WatchForWriting(size_t index);

  static constexpr size_t kNone = SIZE_MAX;

  int epoll_;
  size_t handled_ = kNone;
  std::unique_ptr<WebSocket::Workspace> workspace_;
  std::string frames_;
  std::vector<Watched> sockets_;
};

}  // namespace dormouse::load
