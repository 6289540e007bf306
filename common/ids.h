// Names of connections and gateways.
//
// A connection id is a UUID (RFC 9562, version 4 layout) that says where its socket is: the 60 free bits of
// the high half are the gateway process that accepted it (new at every start), the 62 free bits of the low
// half its handle for the socket. So an id is unique for all time and nobody needs a table to route to it.
// Ids are not secrets: the high half is a public name that proves nothing (see gateway_identity.h).
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

// A gateway process, one incarnation of it. Never 0 for a real one.
using GatewayId = uint64_t;

struct ConnectionId {
  GatewayId gateway = 0;  // UUID's high half, version nibble included
  uint64_t handle = 0;    // UUID's low half, variant bits included

  // The 36 lower-case characters of the UUID.
  std::string ToString() const;
  // The 16 bytes, big-endian: sorts as the text does. For keys in the store.
  std::string ToBytes() const;

  static std::optional<ConnectionId> Parse(std::string_view uuid);
  static std::optional<ConnectionId> FromBytes(std::string_view bytes);

  friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
  // a < b is compiled as (a <=> b) < 0; clang-tidy 14 takes that 0 for a null pointer of ours.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

// A random id of that form that is no gateway's: for other processes, and for tests.
GatewayId NewGatewayId();

// For names, not for secrets: seeded from the kernel once per thread.
uint64_t Random64();

// A random UUID, version 4, as text. Seeded from the kernel once per thread; for names, not for secrets.
std::string NewUuid();

// `bytes` random bytes from the kernel as lower-case hex; fit for tokens that must not be guessed.
std::string NewSecretHex(size_t bytes);

// UUIDs that sort by when they were made (RFC 9562, version 7): 48 bits of milliseconds, a 12-bit counter
// within the millisecond (6.2, method 1), and 62 bits of the caller's. Strictly ascending within one
// generator, whatever the clock does; across two, as their clocks agree.
class TimeOrderedIds {
 public:
  // `tail`: only its 62 low bits count.
  std::string Next(int64_t now_ms, uint64_t tail);
  // An id for something of long ago, the `nth` (from 0) of that millisecond that is made late: it sorts
  // before all that Next made in that millisecond.
  static std::string Late(int64_t then_ms, uint32_t nth, uint64_t tail);
  // The caller's part of such an id, as text: equal where the tails are.
  static constexpr std::string_view TailOf(std::string_view id) { return id.substr(kTailAt); }
  // Whether the text is a UUID of version 7 in lower case, as Next makes them.
  static bool IsOne(std::string_view text);

 private:
  static constexpr size_t kTailAt = 19;
  static constexpr int kCounterBits = 12;
  static constexpr uint32_t kLateIds = 1u << 11;  // counts below are for Late

  static std::string Print(uint64_t stamp, uint64_t tail);

  uint64_t last_ = 0;  // milliseconds and counter
};

// Puts the version and variant bits of a UUID on top of 60 and 62 free bits.
constexpr uint64_t UuidHigh(uint64_t bits60) {
  return ((bits60 & 0x0fff'ffff'ffff'f000u) << 4) | 0x4000u | (bits60 & 0x0fffu);
}
constexpr uint64_t UuidLow(uint64_t bits62) {
  return 0x8000'0000'0000'0000u | (bits62 & 0x3fff'ffff'ffff'ffffu);
}
constexpr uint64_t UuidLowBits(uint64_t low) { return low & 0x3fff'ffff'ffff'ffffu; }

}  // namespace dormouse

template <>
struct std::hash<dormouse::ConnectionId> {
  size_t operator()(const dormouse::ConnectionId& id) const noexcept {
    return static_cast<size_t>(id.handle * 0x9e37'79b9'7f4a'7c15u ^ id.gateway);
  }
};
