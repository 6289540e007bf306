// What a WebSocket frame is (RFC 6455, 5.2 and 11.8).
#pragma once

#include <cstdint>

namespace dormouse::edge {

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Control frames may come between the fragments of a message; they are whole, and carry no more than this.
inline constexpr uint64_t kMaxControlPayload = 125;
inline bool IsControl(Opcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

}  // namespace dormouse::edge
