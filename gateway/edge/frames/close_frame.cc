#include "gateway/edge/frames/close_frame.h"

#include "gateway/edge/frames/opcode.h"
#include "gateway/edge/frames/utf8.h"

namespace dormouse::edge {

bool IsCloseCode(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

std::optional<CloseFrame> ReadCloseFrame(std::string_view payload) {
  if (payload.empty()) return CloseFrame{};
  if (payload.size() == 1) return std::nullopt;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(payload[i]); };
  const CloseFrame close{static_cast<uint16_t>(byte(0) << 8 | byte(1)), payload.substr(2)};
  if (!IsCloseCode(close.code) || !IsValidUtf8(close.reason)) return std::nullopt;
  return close;
}

std::string CloseFramePayload(uint16_t code, std::string_view reason) {
  if (code == kNoCloseCode) return {};
  size_t size = reason.size();
  if (size > kMaxControlPayload - 2) {
    size = kMaxControlPayload - 2;
    while (size > 0 && (static_cast<uint8_t>(reason[size]) & 0xc0) == 0x80) --size;
  }
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return payload.append(reason.substr(0, size));
}

}  // namespace dormouse::edge
