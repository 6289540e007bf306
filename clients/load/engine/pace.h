// Things to be done at even distances of time, whatever else takes how long: each has a moment that it was
// meant for. One thread.
#pragma once

#include "clients/load/clock.h"

namespace dormouse::load {

class Pace {
 public:
  // Never.
  Pace() = default;
  // `rate` a second from `start` on; `phase`, from 0 to 1, of the first one.
  Pace(Nanos start, double rate, double phase = 0)
      : start_(start), interval_(rate <= 0 ? 0 : 1e9 / rate), phase_(phase) {}

  // The moment that the one with that number is meant for, from 0 on.
  Nanos MomentOf(uint64_t number) const {
    return start_ + static_cast<Nanos>((static_cast<double>(number) + phase_) * interval_);
  }
  // When the next one is due.
  Nanos due() const { return interval_ == 0 ? kNever : MomentOf(done_); }
  // Whether one is due now, which counts as done then.
  bool Take(Nanos now) {
    if (due() > now) return false;
    ++done_;
    return true;
  }
  uint64_t done() const { return done_; }

 private:
  Nanos start_ = 0;
  double interval_ = 0;
  double phase_ = 0;
  uint64_t done_ = 0;
};

}  // namespace dormouse::load
