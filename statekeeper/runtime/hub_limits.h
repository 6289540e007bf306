// What one hub may store. The operator's choice (options max-attachment, max-state).
#pragma once

#include <cstddef>
#include <cstdint>

namespace dormouse {

struct HubLimits {
  size_t max_attachment = 16u << 10;  // bytes for one connection
  uint64_t max_state = 0;             // bytes of all keys and values; 0: no limit
};

}  // namespace dormouse
