// For lines that others can cause as often as they like: lets one through each second. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include "common/clock.h"

namespace dormouse {

class LogLimit {
 public:
  // Whether this one is to be logged; `*left_out`: how many before it were not.
  bool Take(uint64_t* left_out) {
    const std::lock_guard lock(mutex_);
    const int64_t now_ms = SteadyMs();
    if (now_ms < next_ms_) {
      ++left_out_;
      return false;
    }
    next_ms_ = now_ms + 1000;
    *left_out = std::exchange(left_out_, 0);
    return true;
  }

 private:
  std::mutex mutex_;
  int64_t next_ms_ = 0;  // steady clock
  uint64_t left_out_ = 0;
};

}  // namespace dormouse
