// The version of the state that a gateway hands to its successor (proto/takeover.proto). A gateway writes the newest
// and reads those from the oldest on; one that meets another version refuses, and the one that runs goes on.
#pragma once

#include <cstdint>

namespace dormouse::takeover {

inline constexpr uint32_t kStateVersion = 1;
inline constexpr uint32_t kOldestStateVersion = 1;

}  // namespace dormouse::takeover
