// Points in time whose type says by which clock (clock.h): one of the steady clock and one of the time of day
// cannot be taken for each other, nor for a number, and what lies between two is a Duration.
//
//   const SteadyTime deadline = SteadyClock::now() + patience;
//   if (SteadyClock::now() >= deadline) ...
//
// Unit: milliseconds. SteadyTime() and WallTime() are before all others: "never yet".
#pragma once

#include <chrono>
#include <cstdint>

#include "common/clock.h"

namespace dormouse {

using Duration = std::chrono::milliseconds;

// For libraries that count in them.
inline double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// SteadyMs, for <chrono>.
struct SteadyClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<SteadyClock>;
  static constexpr bool is_steady = true;
  static time_point now() { return time_point(Duration(SteadyMs())); }
};
using SteadyTime = SteadyClock::time_point;

// WallMs, for <chrono>: since 1970, UTC, and never with a jump.
struct WallClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
  static time_point now() { return time_point(Duration(WallMs())); }
};
using WallTime = WallClock::time_point;

// As clock.h counts: for what goes over a wire, or counts in milliseconds still.
template <typename Clock>
int64_t Milliseconds(std::chrono::time_point<Clock, Duration> time) {
  return time.time_since_epoch().count();
}

}  // namespace dormouse
