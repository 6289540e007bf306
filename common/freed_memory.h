// How the allocator (glibc's) deals with memory that was freed.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "common/clock.h"

namespace dormouse {

// Keeps some megabytes of it for what comes next. Left to itself the allocator gives the memory of each large
// message back to the system as soon as it is dealt with, and the next one pays for every page of it anew:
// half of what a message of 1 MB costs. Whoever wants all of it to go calls malloc_trim.
//
// Call it in main. See mallopt(3).
inline void KeepSomeFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);  // larger blocks come from the system, and go back to it at once
}

// Gives memory back to the system after a flood: once less than a quarter is held of what was held at most. A
// value; one thread, which stands still while the system takes it back (some milliseconds per 100 MB).
class TrimAfterFlood {
 public:
  // Call it as often as you like: so many bytes are held.
  void Held(size_t bytes) {
    most_ = std::max(most_, bytes);
    if (most_ < kFlood || bytes > most_ / 4 || SteadyMs() < not_before_ms_) return;
    malloc_trim(0);
    most_ = bytes;
    not_before_ms_ = SteadyMs() + kRestMs;
  }

 private:
  static constexpr size_t kFlood = 32u << 20;
  static constexpr int64_t kRestMs = 5'000;

  size_t most_ = 0;  // since it was given back last
  int64_t not_before_ms_ = 0;
};

}  // namespace dormouse
