#include "gateway/edge/testing/test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <utility>

namespace dormouse::edge {
namespace {

constexpr int kClientPatienceMs = 10'000;

}  // namespace

uint16_t TestClient::Frame::close_code() const {
  if (payload.size() < 2) return 0;
  return static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]));
}

std::string TestClient::Frame::close_reason() const { return payload.size() < 2 ? "" : payload.substr(2); }

TestClient::TestClient(int port, int receive_buffer, const char* from)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  inet_pton(AF_INET, from, &own.sin_addr);
  if (bind(fd_, reinterpret_cast<sockaddr*>(&own), sizeof(own)) != 0) {
    throw std::runtime_error(std::string("bind: ") + std::strerror(errno));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
}

TestClient::~TestClient() {
  if (fd_ >= 0) close(fd_);
}

void TestClient::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return;  // the server has closed; what it said is for the test to read
    bytes.remove_prefix(static_cast<size_t>(size));
  }
}

bool TestClient::Fill() {
  pollfd ready{fd_, POLLIN, 0};
  if (poll(&ready, 1, kClientPatienceMs) <= 0) return false;
  char buffer[65'536];
  const ssize_t size = recv(fd_, buffer, sizeof(buffer), 0);
  if (size <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(size));
  return true;
}

std::string TestClient::UpgradeRequest(std::string_view path, std::string_view more_headers) {
  return "GET " + std::string(path) +
         " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
         "13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(more_headers) + "\r\n";
}

std::string TestClient::Upgrade(std::string_view path, std::string_view more_headers) {
  SendRaw(UpgradeRequest(path, more_headers));
  return ReadHead();
}

std::string TestClient::ReadHead() {
  size_t end;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return "";
  }
  std::string head = unread_.substr(0, end + 4);
  unread_.erase(0, end + 4);
  return head;
}

std::string TestClient::Read(size_t size) {
  while (unread_.size() < size && Fill()) {
  }
  std::string bytes = unread_.substr(0, size);
  unread_.erase(0, size);
  return bytes;
}

std::string TestClient::ReadRest() {
  while (Fill()) {
  }
  return std::exchange(unread_, {});
}

std::string TestClient::Get(std::string_view path, std::string_view more_headers) {
  SendRaw("GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more_headers) + "\r\n");
  return ReadRest();
}

std::string TestClient::FrameBytes(Opcode opcode, std::string_view payload, bool final, bool masked,
                                   uint8_t reserved_bits) {
  std::string out;
  out.push_back(static_cast<char>(opcode | (final ? 0x80 : 0) | reserved_bits << 4));
  const int mask_bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(mask_bit | static_cast<int>(payload.size())));
  } else {
    const int length_size = payload.size() < 65'536 ? 2 : 8;
    out.push_back(static_cast<char>(mask_bit | (length_size == 2 ? 126 : 127)));
    for (int i = length_size - 1; i >= 0; --i) out.push_back(static_cast<char>(payload.size() >> (8 * i)));
  }
  if (!masked) return out.append(payload);
  const char mask[4] = {0x11, 0x22, 0x33, 0x44};
  out.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return out;
}

void TestClient::Send(Opcode opcode, std::string_view payload, bool final) {
  SendRaw(FrameBytes(opcode, payload, final));
}

void TestClient::SendClose(uint16_t code, std::string_view reason) {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
  Send(kClose, payload.append(reason));
}

std::optional<TestClient::Frame> TestClient::ReadFrame() {
  while (true) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(unread_[i]); };
    size_t header = 2;
    uint64_t size = 0;
    bool whole = unread_.size() >= 2;
    if (whole) {
      size = byte(1) & 0x7f;
      const size_t length_size = size == 126 ? 2 : size == 127 ? 8 : 0;
      header += length_size;
      whole = unread_.size() >= header;
      if (whole && length_size > 0) {
        size = 0;
        for (size_t i = 0; i < length_size; ++i) size = size << 8 | byte(2 + i);
      }
    }
    if (whole && unread_.size() >= header + size) {
      if ((byte(1) & 0x80) != 0) throw std::runtime_error("the server masked a frame");
      Frame frame;
      frame.opcode = static_cast<Opcode>(byte(0) & 0x0f);
      frame.final = (byte(0) & 0x80) != 0;
      frame.payload = unread_.substr(header, size);
      unread_.erase(0, header + size);
      return frame;
    }
    if (!Fill()) return std::nullopt;
  }
}

std::string TestClient::ReadMessage() {
  std::string message;
  while (auto frame = ReadFrame()) {
    if (frame->opcode == kClose) return "<closed>";
    if (frame->opcode > kBinary) continue;
    message += frame->payload;
    if (frame->final) return message;
  }
  return "<closed>";
}

TestClient::Frame TestClient::ReadClose() {
  while (auto frame = ReadFrame()) {
    if (frame->opcode != kClose) continue;
    Send(kClose, frame->payload.substr(0, 2));
    return *frame;
  }
  return {kClose, true, "\x03\xee"};  // 1006
}

bool TestClient::ReadsEnd() {
  pollfd ready{fd_, POLLIN, 0};
  return unread_.empty() && poll(&ready, 1, kClientPatienceMs) > 0 && !Fill();
}

bool TestClient::HasNothing(int wait_ms) {
  pollfd ready{fd_, POLLIN, 0};
  return unread_.empty() && poll(&ready, 1, wait_ms) == 0;
}

void TestClient::EndOutput() { shutdown(fd_, SHUT_WR); }

void TestClient::Abort() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd_);
  fd_ = -1;
}

}  // namespace dormouse::edge
