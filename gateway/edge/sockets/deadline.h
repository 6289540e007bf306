// When a connection is to be looked at again, and whether it is too late for it. Plain data.
#pragma once

#include <cstdint>

namespace dormouse::edge {

struct Deadline {
  static constexpr int64_t kNever = INT64_MAX;

  bool expired = false;
  int64_t next_ms = kNever;  // SteadyMs(); where it has not expired
};

}  // namespace dormouse::edge
