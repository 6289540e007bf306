// A client's WebSocket, as lean as many of them in one process need it: non-blocking, over TCP or TLS. It
// reads frames in place and copies what is left of one only. Whatever ends it, a server that breaks the
// protocol included, is an End; only running out of descriptors throws (std::runtime_error). One thread.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "clients/load/endpoint.h"
#include "clients/load/tls_stream.h"

namespace dormouse::load {

// What a socket asks the server for.
struct Upgrade {
  std::string_view path = {};
  std::string_view bearer = {};  // the token of its Authorization header; empty: it has none
  in_addr source{};              // the address to come from; 0: whichever the kernel chooses
};

class WebSocket {
 public:
  // How a connection ended: the server's close code, or 1006 where there was none.
  struct End {
    int code = 1006;
    int http_status = 0;  // where the server answered the handshake with another one than 101
    std::string reason;
  };

  // What the sockets of one thread share: what one of them has just read, and what is to be written to it.
  struct Workspace {
    std::string out;
    std::string_view unread;
    char in[65'536];
  };

  WebSocket() = default;
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // Starts to connect; what was open before is dropped. Register fd() for reading, and for writing while
  // wants_to_write(); when it is either, call Receive, then NextFrame until it is false, again while Receive
  // said so, and Finish.
  void Connect(const Endpoint& server, const Upgrade& upgrade);

  // Goes on with the handshake, writes what waits, reads what is there. True: there may be more.
  bool Receive(Workspace* workspace);
  // The next complete message, text or binary; the view lives until the next call. False: there is none.
  bool NextFrame(Workspace* workspace, std::string_view* message);
  // Writes what has been added to the workspace's `out`. False: the connection is over, end() says how, and
  // fd() is none any more.
  bool Finish(Workspace* workspace);

  // Appends a text frame as a client sends it.
  static void AppendText(std::string_view text, std::string* out);
  // Sends frames; what the kernel does not take at once waits. Dropped unless the socket is open.
  void Write(std::string_view frames);

  // Says goodbye and drops the connection without awaiting the server's answer.
  void Close(int code);
  // Drops the connection without a word: the server gets a reset.
  void Break();

  int fd() const { return fd_; }
  bool is_open() const { return state_ == State::kOpen; }
  bool wants_to_write() const {
    return state_ == State::kConnecting || (state_ != State::kEncrypting && !out_.empty());
  }
  const End& end() const { return end_; }

 private:
  enum class State : uint8_t { kIdle, kConnecting, kEncrypting, kHandshake, kOpen };

  void OnConnected();
  void Encrypt();
  void Flush();
  // Takes the answer to the handshake off what was read, where it is complete.
  void TakeHandshake(Workspace* workspace);
  bool Wrong(const std::string& what);
  void Drop();
  void Over(int code, std::string reason);

  int fd_ = -1;
  State state_ = State::kIdle;
  bool broken_ = false;  // to be said once what was read is handled
  End end_;
  std::unique_ptr<TlsStream> tls_;
  std::string in_;     // received, the beginning of a frame
  std::string out_;    // not taken by the kernel
  std::string parts_;  // fragments of the message so far
};

}  // namespace dormouse::load
