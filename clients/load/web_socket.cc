#include "clients/load/web_socket.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace dormouse::load {
namespace {

// RFC 6455's sample key: the server's answer is then known, and what it is for (caches) does not concern us.
constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr char kAccept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr uint8_t kMask[4] = {0x12, 0x34, 0x56, 0x78};
constexpr int kAbnormal = 1006;
constexpr int kProtocolError = 1002;

}  // namespace

WebSocket::~WebSocket() { Drop(); }

void WebSocket::Drop() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  state_ = State::kIdle;
  in_ = std::string();
  out_ = std::string();
  frame_ = std::string();
}

void WebSocket::Over(int code, std::string reason) {
  end_ = {code, std::move(reason)};
  Drop();
}

void WebSocket::Connect(const sockaddr_in& server, const std::string& path) {
  Drop();
  path_ = path;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // What fails at once fails when it is looked at, too.
  (void)connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof(server));
  state_ = State::kConnecting;
}

void WebSocket::SendHandshake() {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return Over(kAbnormal, std::string("connect: ") + std::strerror(error));
  out_ = "GET " + path_ +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
         kKey + "\r\n\r\n";
  state_ = State::kHandshake;
  Flush();
}

bool WebSocket::OnReady(const FrameCallback& on_frame) {
  if (state_ == State::kConnecting) {
    SendHandshake();
    return state_ != State::kIdle;
  }
  if (!out_.empty()) Flush();
  const std::string broken = Read();
  if (state_ == State::kHandshake) TakeHandshake();
  while (state_ == State::kOpen && TakeFrame(on_frame)) {
  }
  // Only now: the last frame may have said why.
  if (!broken.empty() && state_ != State::kIdle) Over(kAbnormal, broken);
  return state_ != State::kIdle;
}

std::string WebSocket::Read() {
  char buffer[16384];
  for (;;) {
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    if (got < 0) return std::string("recv: ") + std::strerror(errno);
    if (got == 0) return "the server dropped the connection";
    in_.append(buffer, static_cast<size_t>(got));
    if (got < static_cast<ssize_t>(sizeof(buffer))) return {};
  }
}

void WebSocket::TakeHandshake() {
  const size_t end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return;
  if (!in_.starts_with("HTTP/1.1 101") || in_.find(kAccept) > end) {
    return Over(kAbnormal, "no WebSocket: " + in_.substr(0, in_.find('\r')));
  }
  in_.erase(0, end + 4);
  state_ = State::kOpen;
  path_ = std::string();
}

bool WebSocket::TakeFrame(const FrameCallback& on_frame) {
  if (in_.size() < 2) return false;
  const auto byte = [this](size_t i) { return static_cast<uint8_t>(in_[i]); };
  const auto wrong = [this](const std::string& what) {
    Over(kProtocolError, "the server sent " + what);
    return false;
  };
  const uint8_t opcode = byte(0) & 0x0f;
  if ((byte(1) & 0x80) != 0) return wrong("a masked frame");
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
    case 0x8:
      Over(size >= 2 ? byte(head) << 8 | byte(head + 1) : 1005,
           std::string(size > 2 ? payload.substr(2) : ""));
      return false;
    case 0x9:
      SendFrame(0x8a, payload);
      break;
    default:
      return wrong("a frame with opcode " + std::to_string(opcode));
  }
  if (state_ != State::kOpen) return false;
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

void WebSocket::SendText(std::string_view text, size_t count) {
  if (state_ != State::kOpen) return;
  const bool waits = !out_.empty();
  for (size_t i = 0; i < count; ++i) AppendFrame(0x81, text);
  if (!waits) Flush();
}

void WebSocket::Close(int code) {
  const char payload[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  SendFrame(0x88, {payload, sizeof(payload)});
  Over(code, "closed by this side");
}

void WebSocket::SendFrame(uint8_t first_byte, std::string_view payload) {
  if (state_ != State::kOpen) return;
  const bool waits = !out_.empty();
  AppendFrame(first_byte, payload);
  if (!waits) Flush();
}

void WebSocket::AppendFrame(uint8_t first_byte, std::string_view payload) {
  out_.reserve(out_.size() + payload.size() + 14);
  out_.push_back(static_cast<char>(first_byte));
  const size_t bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  out_.push_back(static_cast<char>(0x80 | (bytes == 0 ? payload.size() : bytes == 2 ? 126 : 127)));
  for (size_t i = bytes; i-- > 0;) out_.push_back(static_cast<char>(payload.size() >> (8 * i)));
  out_.append(reinterpret_cast<const char*>(kMask), sizeof(kMask));
  for (size_t i = 0; i < payload.size(); ++i) out_.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
}

void WebSocket::Flush() {
  const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
  const bool broken = sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
  // A connection that is broken for writing is found so by reading, after what has come is read.
  if (broken || sent == static_cast<ssize_t>(out_.size())) {
    out_ = std::string();
  } else if (sent > 0) {
    out_.erase(0, static_cast<size_t>(sent));
  }
}

}  // namespace dormouse::load
