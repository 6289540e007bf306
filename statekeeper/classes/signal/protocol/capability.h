// What a token can allow a session to do, as bits of a set (Grant.capabilities).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::signal {

enum Capability : uint32_t {
  kMayRegister = 1,
  kMayDiscover = 2,
  kMaySend = 4,
  kMayReceive = 8,
  kMayBroadcast = 16,
  kMayPublish = 32,
  kMaySubscribe = 64,
};
inline constexpr uint32_t kAllCapabilities = 127;

// What a token's claim `capabilities` grants. The original knew send, receive and discover, and asked for no
// more where we do: a claim of these words alone grants everything. One with any other word is taken at its
// word; `strict`: every one.
uint32_t CapabilitiesGranted(const std::vector<std::string>& claim, bool strict);

// The set of those that have one of these names. Names that the hub does not know are for others.
uint32_t CapabilitiesNamed(const std::vector<std::string>& names);

// A set as an array of names, JSON: ["register","send"].
std::string CapabilityNames(uint32_t set);

}  // namespace dormouse::signal
