// Many WebSockets to one gateway, opened and driven by one epoll loop. Everything throws std::runtime_error
// when something is wrong, silence for half a minute included. One thread.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/web_socket.h"

namespace dormouse::bench {

// "127.0.0.1:8080".
sockaddr_in ParseAddress(const std::string& text);

// As many file descriptors as this process may have.
void RaiseDescriptorLimit();

// Fails with the frame unless it begins so.
void ExpectStart(std::string_view frame, std::string_view start);

class Crowd {
 public:
  using FrameCallback = std::function<void(size_t index, std::string_view text)>;

  explicit Crowd(const std::string& target);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Opens `count` connections, a bounded number at a time, each at the path that `path` gives for its index.
  // With a `welcome` it also waits for each one's first frame, which has to begin so.
  void Open(size_t count, const std::function<std::string(size_t index)>& path,
            std::string_view welcome = {});

  void Send(size_t index, std::string_view text) { sockets_[index].SendText(text); }

  // Waits for events and handles them; `on_frame` for each frame that has come.
  void Turn(const FrameCallback& on_frame);

  size_t size() const { return sockets_.size(); }

 private:
  void Watch(int operation, size_t index, uint32_t events);

  sockaddr_in server_;
  int epoll_;
  std::vector<WebSocket> sockets_;
  size_t open_ = 0;  // of them
};

}  // namespace dormouse::bench
