// Gives memory back to the system after a flood: once less than a quarter is held of what was held at most. Not twice in a
// row: the thread stands still while the system takes it back (some milliseconds per 100 MB). What falls into that rest is
// given back after it, though nothing else happens then.
//
// One thread and loop.
#pragma once

#include <ev.h>
#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "common/clock.h"

namespace dormouse {

class TrimAfterFlood {
 public:
  static constexpr size_t kFlood = 32u << 20;

  // `loop` outlives it. `trim`: what gives back all that is free.
  explicit TrimAfterFlood(
      struct ev_loop* loop, int64_t rest_ms = 5'000, std::function<void()> trim = [] { malloc_trim(0); })
      : loop_(loop), rest_ms_(rest_ms), trim_(std::move(trim)) {
    ev_timer_init(
        &rest_,
        [](struct ev_loop*, ev_timer* timer, int) {
          auto* const self = static_cast<TrimAfterFlood*>(timer->data);
          self->Held(self->held_);
        },
        0, 0);
    rest_.data = this;
  }
  ~TrimAfterFlood() { ev_timer_stop(loop_, &rest_); }
  TrimAfterFlood(const TrimAfterFlood&) = delete;
  TrimAfterFlood& operator=(const TrimAfterFlood&) = delete;

  // Call it as often as you like: so many bytes are held.
  void Held(size_t bytes) {
    held_ = bytes;
    most_ = std::max(most_, bytes);
    if (most_ < kFlood || bytes > most_ / 4 || ev_is_active(&rest_)) return;
    const int64_t now_ms = SteadyMs();
    if (now_ms < not_before_ms_) {
      ev_now_update(loop_);
      ev_timer_set(&rest_, static_cast<double>(not_before_ms_ - now_ms) / 1000, 0);
      return ev_timer_start(loop_, &rest_);
    }
    trim_();
    most_ = bytes;
    not_before_ms_ = SteadyMs() + rest_ms_;
  }

 private:
  struct ev_loop* const loop_;
  const int64_t rest_ms_;
  const std::function<void()> trim_;
  ev_timer rest_;
  size_t held_ = 0;
  size_t most_ = 0;  // since it was given back last
  int64_t not_before_ms_ = 0;
};

}  // namespace dormouse
