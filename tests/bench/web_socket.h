// A client's WebSocket, as lean as a load driver needs it: non-blocking, text frames only, no TLS. It sends a
// frame with one write and reads frames in place; a server that breaks the protocol fails it. One thread.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dormouse::bench {

class WebSocket {
 public:
  using FrameCallback = std::function<void(std::string_view text)>;

  WebSocket() = default;
  ~WebSocket();
  WebSocket(WebSocket&& other) noexcept;
  WebSocket& operator=(WebSocket&&) = delete;

  // Starts to connect and ask for `path`. Register fd() for reading and writing, call OnReady when it is
  // either. Throws std::runtime_error, as does everything here, when something is wrong.
  void Connect(const sockaddr_in& server, const std::string& path);

  // Reads what is there; calls `on_frame` for each complete text frame. The view lives until it returns.
  void OnReady(const FrameCallback& on_frame);

  // Sends a text frame. The socket must be open; what the kernel does not take at once is an error (a driver
  // with few frames in flight never fills a socket's buffer).
  void SendText(std::string_view text);

  int fd() const { return fd_; }
  bool is_open() const { return state_ == State::kOpen; }

 private:
  enum class State { kIdle, kConnecting, kHandshake, kOpen };

  void SendHandshake();
  void SendFrame(uint8_t first_byte, std::string_view payload);
  // Takes one complete frame off the front of in_; false: there is none.
  bool TakeFrame(const FrameCallback& on_frame);

  int fd_ = -1;
  State state_ = State::kIdle;
  std::string path_;
  std::string in_;     // received, not yet taken
  std::string frame_;  // fragments of the message so far
};

}  // namespace dormouse::bench
