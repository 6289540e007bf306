// A fixed number of WebSockets on one epoll set, each of which may be opened, end and be opened again. One
// thread; callbacks come from within Turn().
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>
#include <vector>

#include "clients/load/web_socket.h"

namespace dormouse::load {

// "127.0.0.1:8080", "localhost:8080"; IPv4. Throws std::runtime_error.
sockaddr_in ParseAddress(const std::string& text);

// As many file descriptors as this process may have.
void RaiseDescriptorLimit();

class Sockets {
 public:
  // Callbacks may Send, but not Open and Close.
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

  void Open(size_t index, const sockaddr_in& server, const std::string& path);
  void Send(size_t index, std::string_view text, size_t count = 1);
  void Close(size_t index, int code) { sockets_[index].socket.Close(code); }

  // Handles what has happened; waits for it for up to `timeout_ms`. False: nothing has.
  bool Turn(int timeout_ms, Handler* handler);

  // Readable when Turn has something to do.
  int fd() const { return epoll_; }
  size_t size() const { return sockets_.size(); }

 private:
  struct Watched {
    WebSocket socket;
    uint32_t events = 0;  // that epoll waits for
  };

  void Watch(int operation, size_t index);

  int epoll_;
  std::vector<Watched> sockets_;
};

}  // namespace dormouse::load
