// A time of day that a test moves, of a whole cluster at once and at any moment: alarms ring, and what lives until a
// time ends (clients/testing). Durations do not move: they are measured on the steady clock.
//
//   DORMOUSE_TEST_CLOCK=FILE     an int64, as this machine writes it: by how many milliseconds WallMs is ahead
//
// The test makes the file before it starts the processes, and writes into it, in place. It is no option, so that no
// config file and no chart brings it along, and a process that others can reach does not start with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace dormouse {

inline constexpr char kTestClockVariable[] = "DORMOUSE_TEST_CLOCK";

// Maps the file that the environment names, if it names one. To be called before there are threads. `listen`: where
// this process listens, HOST:PORT; empty: nowhere. Returns why it cannot be, or nothing.
std::string UseTestClock(const std::string& listen);

namespace internal {
extern const int64_t kNoTestClock;
extern std::atomic<const int64_t*> test_clock;
}  // namespace internal

// How far ahead the time of day is. Two loads, so that WallMs may ask each time. Any thread.
inline int64_t TestClockAheadMs() {
  return __atomic_load_n(internal::test_clock.load(std::memory_order_relaxed), __ATOMIC_RELAXED);
}

// Whether the time of day can jump: who waits for a time looks at the clock often, then.
inline bool HasTestClock() {
  return internal::test_clock.load(std::memory_order_relaxed) != &internal::kNoTestClock;
}

}  // namespace dormouse
