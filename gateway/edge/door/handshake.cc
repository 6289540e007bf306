#include "gateway/edge/door/handshake.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

namespace dormouse::edge {
namespace {

// RFC 6455, 1.3.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

std::string AcceptOf(std::string_view key) {
  const std::string text = std::string(key).append(kGuid);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return absl::Base64Escape({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

std::string WriteUpgradeAnswer(const UpgradeAnswer& answer) {
  std::string head = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\n",
      AcceptOf(answer.key));
  if (!answer.subprotocol.empty()) head += fmt::format("Sec-WebSocket-Protocol: {}\r\n", answer.subprotocol);
  if (!answer.extensions.empty()) head += fmt::format("Sec-WebSocket-Extensions: {}\r\n", answer.extensions);
  head += answer.more;
  return head += "\r\n";
}

}  // namespace dormouse::edge
