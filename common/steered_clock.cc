#include "common/steered_clock.h"

#include <algorithm>

namespace dormouse {

int64_t SteeredClock::Steer(int64_t steady_ms, int64_t true_ms) {
  const std::lock_guard lock(mutex_);
  const int64_t wanted = true_ms - steady_ms;
  const int64_t offset = offset_ms_.load(std::memory_order_relaxed);
  const int64_t most = std::max<int64_t>(steady_ms - steered_at_ms_, 0) / 4;
  const int64_t next = is_set() ? std::clamp(wanted, offset - most, offset + most) : wanted;
  steered_at_ms_ = std::max(steered_at_ms_, steady_ms);
  offset_ms_.store(next, std::memory_order_relaxed);
  is_set_.store(true, std::memory_order_release);
  return wanted - next;
}

}  // namespace dormouse
