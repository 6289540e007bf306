// The right to serve for a while: who holds it renews it in time, who uses it looks before each use. So a
// process that was paused, or cut off, stops by itself.
//
// Any thread. Time is the steady clock, which goes on while the process is paused.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "common/clock.h"

namespace dormouse {

class Lease {
 public:
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  // Good until then (SteadyMs); kForever: without an end.
  void Renew(int64_t until_ms) { until_ms_.store(until_ms, std::memory_order_release); }
  bool IsGood() const {
    const int64_t until_ms = until_ms_.load(std::memory_order_acquire);
    return until_ms == kForever || SteadyMs() < until_ms;
  }

 private:
  std::atomic<int64_t> until_ms_{0};
};

}  // namespace dormouse
