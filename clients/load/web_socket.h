// A client's WebSocket, as lean as many of them in one process need it: non-blocking, text frames only, no
// TLS. It sends a frame with one write and reads frames in place. Whatever ends it, a server that breaks the
// protocol included, is an End; only running out of descriptors throws (std::runtime_error). One thread.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dormouse::load {

class WebSocket {
 public:
  using FrameCallback = std::function<void(std::string_view text)>;

  // How a connection ended: the server's close code, or 1006 where there was none.
  struct End {
    int code = 1006;
    std::string reason;
  };

  WebSocket() = default;
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // Starts to connect and ask for `path`; what was open before is dropped. Register fd() for reading, and for
  // writing while wants_to_write(); call OnReady when it is either.
  void Connect(const sockaddr_in& server, const std::string& path);

  // Writes what waits and reads what is there; `on_frame` for each complete text frame, whose view lives
  // until it returns. It may send. False: the connection is over, end() says how, and fd() is none any more.
  bool OnReady(const FrameCallback& on_frame);

  // Sends a text frame; what the kernel does not take at once waits. Dropped unless the socket is open.
  // `count` times, in one write.
  void SendText(std::string_view text, size_t count = 1);
  // Says goodbye and drops the connection without awaiting the server's answer.
  void Close(int code);

  int fd() const { return fd_; }
  bool is_open() const { return state_ == State::kOpen; }
  bool wants_to_write() const { return state_ == State::kConnecting || !out_.empty(); }
  const End& end() const { return end_; }

 private:
  enum class State { kIdle, kConnecting, kHandshake, kOpen };

  void SendHandshake();
  void SendFrame(uint8_t first_byte, std::string_view payload);
  void AppendFrame(uint8_t first_byte, std::string_view payload);
  void Flush();
  // Reads what is there; how the connection broke, where it did.
  std::string Read();
  // Takes the answer to the handshake off the front of in_, where it is complete.
  void TakeHandshake();
  // Takes one complete frame off the front of in_; false: there is none.
  bool TakeFrame(const FrameCallback& on_frame);
  void Drop();
  void Over(int code, std::string reason);

  int fd_ = -1;
  State state_ = State::kIdle;
  End end_;
  std::string path_;
  std::string in_;     // received, not yet taken
  std::string out_;    // not taken by the kernel
  std::string frame_;  // fragments of the message so far
};

}  // namespace dormouse::load
