// A time of day that never jumps. It goes as fast as the steady clock, and a quarter faster or slower while a
// reference says otherwise: an hour that somebody's clock is set wrong by takes four to arrive here, so what
// has a deadline and is renewed in time (registrations, sessions, tokens) is not ended by it. Only the first
// reference is believed at once.
//
// Threading: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace dormouse {

class SteeredClock {
 public:
  // What it shows when the steady clock shows `steady_ms`. 0 before the first Steer.
  int64_t At(int64_t steady_ms) const {
    return is_set() ? steady_ms + offset_ms_.load(std::memory_order_relaxed) : 0;
  }
  bool is_set() const { return is_set_.load(std::memory_order_acquire); }

  // The reference showed `true_ms` at `steady_ms`. Returns how far this clock is behind it, still.
  int64_t Steer(int64_t steady_ms, int64_t true_ms);

 private:
  std::mutex mutex_;           // of Steer
  int64_t steered_at_ms_ = 0;  // steady
  std::atomic<int64_t> offset_ms_{0};
  std::atomic<bool> is_set_{false};
};

}  // namespace dormouse
