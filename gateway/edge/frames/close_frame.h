// What a close frame says (RFC 6455, 5.5.1 and 7.4; codes above 1011 by the IANA registry of WebSocket close
// codes). Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse::edge {

// Of a close that names no code, and of a connection that ended without a close frame: never on the wire.
inline constexpr uint16_t kNoCloseCode = 1005;
inline constexpr uint16_t kBrokenCloseCode = 1006;

// Whether the code may be in a close frame.
bool IsCloseCode(uint16_t code);

struct CloseFrame {
  uint16_t code = kNoCloseCode;
  std::string_view reason = {};  // UTF-8
};
// nullopt: one byte alone, a code that may not be sent, or a reason that is not UTF-8.
std::optional<CloseFrame> ReadCloseFrame(std::string_view payload);

// The payload of a close frame; a reason that is too long is cut at the end of a character. kNoCloseCode:
// empty.
std::string CloseFramePayload(uint16_t code, std::string_view reason);

}  // namespace dormouse::edge
