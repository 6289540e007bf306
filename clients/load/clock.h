// The clock that everything here is measured by. It goes forward only, and is the same in all processes of a
// machine. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <ctime>

namespace dormouse::load {

using Nanos = int64_t;

constexpr Nanos kMicrosecond = 1'000;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kSecond = 1'000'000'000;
constexpr Nanos kNever = INT64_MAX;

inline Nanos Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

inline Nanos FromSeconds(double seconds) { return static_cast<Nanos>(seconds * 1e9); }
inline double ToSeconds(Nanos nanos) { return static_cast<double>(nanos) * 1e-9; }

}  // namespace dormouse::load
