// How many messages clients with a role may send: option role-limits, read. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dormouse {

struct RoleLimit {
  std::string role;    // claim role of a client's token
  double rate = 0;     // messages a second; 0: no limit
  uint32_t burst = 0;  // messages at once
};

// Of "ROLE=RATE/BURST" each. nullopt: `*wrong` is a sentence that names the option.
std::optional<std::vector<RoleLimit>> ParseRoleLimits(const std::vector<std::string>& texts,
                                                      std::string* wrong);

}  // namespace dormouse
