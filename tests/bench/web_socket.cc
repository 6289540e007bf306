#include "tests/bench/web_socket.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace dormouse::bench {
namespace {

// RFC 6455's sample key: the server's answer is then known, and what it is for (caches) does not concern us.
constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr char kAccept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr uint8_t kMask[4] = {0x12, 0x34, 0x56, 0x78};

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }
[[noreturn]] void FailErrno(const std::string& what) { Fail(what + ": " + std::strerror(errno)); }

}  // namespace

WebSocket::~WebSocket() {
  if (fd_ >= 0) close(fd_);
}

WebSocket::WebSocket(WebSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      state_(other.state_),
      path_(std::move(other.path_)),
      in_(std::move(other.in_)),
      frame_(std::move(other.frame_)) {}

void WebSocket::Connect(const sockaddr_in& server, const std::string& path) {
  path_ = path;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) FailErrno("socket");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) != 0 && errno != EINPROGRESS) {
    FailErrno("connect");
  }
  state_ = State::kConnecting;
}

void WebSocket::SendHandshake() {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) Fail(std::string("connect: ") + std::strerror(error));
  const std::string request = "GET " + path_ +
                              " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                              kKey + "\r\n\r\n";
  if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    FailErrno("handshake");
  }
  state_ = State::kHandshake;
}

void WebSocket::OnReady(const FrameCallback& on_frame) {
  if (state_ == State::kConnecting) return SendHandshake();
  char buffer[16384];
  for (;;) {
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0) FailErrno("recv");
    if (got == 0) Fail("the server closed the connection");
    in_.append(buffer, static_cast<size_t>(got));
    if (got < static_cast<ssize_t>(sizeof(buffer))) break;
  }
  if (state_ == State::kHandshake) {
    const size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    if (!in_.starts_with("HTTP/1.1 101") || in_.find(kAccept) > end) {
      Fail("no WebSocket: " + in_.substr(0, in_.find('\r')));
    }
    in_.erase(0, end + 4);
    state_ = State::kOpen;
    path_ = std::string();
  }
  while (TakeFrame(on_frame)) {
  }
}

bool WebSocket::TakeFrame(const FrameCallback& on_frame) {
  if (in_.size() < 2) return false;
  const auto byte = [this](size_t i) { return static_cast<uint8_t>(in_[i]); };
  const uint8_t opcode = byte(0) & 0x0f;
  if ((byte(1) & 0x80) != 0) Fail("the server sent a masked frame");
  uint64_t size = byte(1);
  size_t head = 2;
  if (size >= 126) {
    const size_t bytes = size == 126 ? 2 : 8;
    if (in_.size() < head + bytes) return false;
    size = 0;
    for (size_t i = 0; i < bytes; ++i) size = size << 8 | byte(head + i);
    head += bytes;
  }
  if (in_.size() - head < size) return false;
  const std::string_view payload(in_.data() + head, size);
  switch (opcode) {
    case 0x0:
    case 0x1:
      if ((byte(0) & 0x80) != 0 && frame_.empty()) {
        on_frame(payload);
      } else {
        frame_.append(payload);
        if ((byte(0) & 0x80) != 0) {
          on_frame(frame_);
          frame_.clear();
        }
      }
      break;
    case 0x8: {
      const int code = size >= 2 ? byte(head) << 8 | byte(head + 1) : 0;
      Fail("the server closed with " + std::to_string(code) + " " +
           std::string(size > 2 ? payload.substr(2) : ""));
    }
    case 0x9:
      SendFrame(0x8a, payload);
      break;
    default:
      Fail("the server sent a frame with opcode " + std::to_string(opcode));
  }
  if (in_.size() == head + size) {
    // An idle connection keeps no buffer: there may be many.
    if (in_.capacity() > 4096) {
      in_ = std::string();
    } else {
      in_.clear();
    }
  } else {
    in_.erase(0, head + size);
  }
  return true;
}

void WebSocket::SendText(std::string_view text) { SendFrame(0x81, text); }

void WebSocket::SendFrame(uint8_t first_byte, std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 14);
  out.push_back(static_cast<char>(first_byte));
  const size_t bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  out.push_back(static_cast<char>(0x80 | (bytes == 0 ? payload.size() : bytes == 2 ? 126 : 127)));
  for (size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(payload.size() >> (8 * i)));
  out.append(reinterpret_cast<const char*>(kMask), sizeof(kMask));
  for (size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  const ssize_t sent = send(fd_, out.data(), out.size(), MSG_NOSIGNAL);
  if (sent < 0) FailErrno("send");
  if (sent != static_cast<ssize_t>(out.size())) Fail("send: the socket's buffer is full");
}

}  // namespace dormouse::bench
