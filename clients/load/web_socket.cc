#include "clients/load/web_socket.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "gateway/edge/frames/unmask.h"

namespace dormouse::load {
namespace {

// RFC 6455's sample key: the server's answer is then known, and what it is for (caches) does not concern us.
constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr char kAccept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr uint32_t kMask = 0x78563412;
constexpr int kAbnormal = 1006;
constexpr int kProtocolError = 1002;
constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kText = 0x1;

void AppendFrame(uint8_t opcode, std::string_view payload, std::string* out) {
  out->push_back(static_cast<char>(kFinal | opcode));
  const size_t bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  out->push_back(static_cast<char>(0x80 | (bytes == 0 ? payload.size() : bytes == 2 ? 126 : 127)));
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(payload.size() >> (8 * i)));
  out->append(reinterpret_cast<const char*>(&kMask), sizeof(kMask));
  const size_t at = out->size();
  out->append(payload);
  // To mask is what it is to unmask.
  edge::Unmask(out->data() + at, payload.size(), kMask);
}

std::string RequestText(const Endpoint& server, const Upgrade& upgrade) {
  std::string text = "GET ";
  text.append(upgrade.path).append(" HTTP/1.1\r\nHost: ").append(server.host);
  text.append(":").append(std::to_string(server.port));
  text += "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  text.append(kKey).append("\r\n");
  if (!upgrade.bearer.empty()) text.append("Authorization: Bearer ").append(upgrade.bearer).append("\r\n");
  return text + "\r\n";
}

}  // namespace

WebSocket::~WebSocket() { Drop(); }

void WebSocket::Drop() {
  tls_.reset();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  state_ = State::kIdle;
  broken_ = false;
  in_ = std::string();
  out_ = std::string();
  parts_ = std::string();
}

void WebSocket::Over(int code, std::string reason) {
  end_ = {.code = code, .http_status = end_.http_status, .reason = std::move(reason)};
  Drop();
}

void WebSocket::Connect(const Endpoint& server, const Upgrade& upgrade) {
  Drop();
  end_ = End();
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (upgrade.source.s_addr != 0) {
    // The port is chosen when it is known where to, so that one address has ports for each server.
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr = upgrade.source;
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&source), sizeof(source)) != 0) {
      throw std::runtime_error(std::string("cannot come from another address: ") + std::strerror(errno));
    }
  }
  // What fails at once fails when it is looked at, too.
  const auto* address = reinterpret_cast<const sockaddr*>(&server.address);
  if (connect(fd_, address, sizeof(server.address)) != 0 && errno == EADDRNOTAVAIL) {
    end_.reason = "connect: no port is left; name more source addresses";
  }
  if (server.tls) tls_ = std::make_unique<TlsStream>(*server.tls, fd_, server.host);
  out_ = RequestText(server, upgrade);
  state_ = State::kConnecting;
}

void WebSocket::OnConnected() {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (!end_.reason.empty()) return Over(kAbnormal, end_.reason);
  if (error != 0) return Over(kAbnormal, std::string("connect: ") + std::strerror(error));
  if (tls_) {
    state_ = State::kEncrypting;
    return Encrypt();
  }
  state_ = State::kHandshake;
  Flush();
}

void WebSocket::Encrypt() {
  switch (tls_->Handshake()) {
    case TlsStream::Progress::kGoesOn:
      return;
    case TlsStream::Progress::kFailed:
      return Over(kAbnormal, "TLS: " + tls_->trouble());
    case TlsStream::Progress::kDone:
      state_ = State::kHandshake;
      Flush();
  }
}

bool WebSocket::Receive(Workspace* workspace) {
  workspace->unread = in_;
  if (state_ == State::kConnecting) {
    OnConnected();
    return false;
  }
  if (state_ == State::kEncrypting) {
    Encrypt();
    // What the server said right behind its handshake may have been read with that.
    return state_ == State::kHandshake;
  }
  if (state_ == State::kIdle || broken_) return false;
  if (!out_.empty()) Flush();
  const ssize_t got = tls_ ? tls_->Read(workspace->in, sizeof(workspace->in))
                           : recv(fd_, workspace->in, sizeof(workspace->in), 0);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    broken_ = true;
    end_.reason =
        got == 0 ? "the server dropped the connection" : std::string("recv: ") + std::strerror(errno);
    return false;
  }
  workspace->unread = {workspace->in, static_cast<size_t>(got)};
  if (!in_.empty()) {
    in_.append(workspace->unread);
    workspace->unread = in_;
  }
  if (state_ == State::kHandshake) TakeHandshake(workspace);
  // A plain socket with more to read is readable again; a TLS stream may have read ahead.
  return tls_ != nullptr;
}

void WebSocket::TakeHandshake(Workspace* workspace) {
  const std::string_view answer = workspace->unread;
  const size_t end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  if (!answer.starts_with("HTTP/1.1 101") || answer.find(kAccept) > end) {
    if (answer.starts_with("HTTP/1.1 ")) end_.http_status = std::atoi(answer.data() + 9);
    return Over(kAbnormal, "no WebSocket: " + std::string(answer.substr(0, answer.find('\r'))));
  }
  workspace->unread.remove_prefix(end + 4);
  state_ = State::kOpen;
}

bool WebSocket::NextFrame(Workspace* workspace, std::string_view* message) {
  while (state_ == State::kOpen) {
    const std::string_view in = workspace->unread;
    if (in.size() < 2) return false;
    const auto byte = [in](size_t i) { return static_cast<uint8_t>(in[i]); };
    if ((byte(1) & 0x80) != 0) return Wrong("a masked frame");
    uint64_t size = byte(1);
    size_t head = 2;
    if (size >= 126) {
      const size_t bytes = size == 126 ? 2 : 8;
      if (in.size() < head + bytes) return false;
      size = 0;
      for (size_t i = 0; i < bytes; ++i) size = size << 8 | byte(head + i);
      head += bytes;
    }
    if (in.size() - head < size) return false;
    const std::string_view payload = in.substr(head, size);
    workspace->unread.remove_prefix(head + size);
    const bool final = (byte(0) & kFinal) != 0;
    switch (byte(0) & 0x0f) {
      case 0x1:
      case 0x2:
        // The one before has been handled.
        parts_.clear();
        if (final) {
          *message = payload;
          return true;
        }
        parts_ = payload;
        break;
      case 0x0:
        parts_.append(payload);
        if (final) {
          *message = parts_;
          return true;
        }
        break;
      case 0x8:
        Over(size >= 2 ? byte(head) << 8 | byte(head + 1) : 1005,
             std::string(size > 2 ? payload.substr(2) : ""));
        return false;
      case 0x9:
        AppendFrame(0xa, payload, &workspace->out);
        break;
      case 0xa:
        break;
      default:
        return Wrong("a frame with opcode " + std::to_string(byte(0) & 0x0f));
    }
  }
  return false;
}

bool WebSocket::Finish(Workspace* workspace) {
  if (state_ == State::kIdle) return false;
  if (!workspace->out.empty()) Write(workspace->out);
  workspace->out.clear();
  if (workspace->unread.empty()) {
    // An idle connection keeps no buffer: there may be many.
    if (in_.capacity() > 4096) {
      in_ = std::string();
    } else {
      in_.clear();
    }
  } else if (in_.empty()) {
    in_ = workspace->unread;
  } else {
    in_.erase(0, in_.size() - workspace->unread.size());
  }
  workspace->unread = {};
  if (broken_) Over(kAbnormal, end_.reason);
  return state_ != State::kIdle;
}

bool WebSocket::Wrong(const std::string& what) {
  Over(kProtocolError, "the server sent " + what);
  return false;
}

void WebSocket::AppendText(std::string_view text, std::string* out) { AppendFrame(kText, text, out); }

void WebSocket::Write(std::string_view frames) {
  if (state_ != State::kOpen) return;
  if (!out_.empty()) {
    out_.append(frames);
    return;
  }
  const ssize_t sent = tls_ ? tls_->Write(frames.data(), frames.size())
                            : send(fd_, frames.data(), frames.size(), MSG_NOSIGNAL);
  // A connection that is broken for writing is found so by reading, after what has come is read.
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return;
  const size_t done = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (done < frames.size()) out_ = frames.substr(done);
}

void WebSocket::Flush() {
  const ssize_t sent =
      tls_ ? tls_->Write(out_.data(), out_.size()) : send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
  const bool broken = sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
  if (broken || sent == static_cast<ssize_t>(out_.size())) {
    out_ = std::string();
  } else if (sent > 0) {
    out_.erase(0, static_cast<size_t>(sent));
  }
}

void WebSocket::Close(int code) {
  std::string frame;
  const char payload[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  AppendFrame(0x8, {payload, sizeof(payload)}, &frame);
  Write(frame);
  Over(code, "closed by this side");
}

void WebSocket::Break() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Over(kAbnormal, "broken by this side");
}

}  // namespace dormouse::load
