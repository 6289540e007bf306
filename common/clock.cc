#include "common/clock.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <limits>

#include "common/steered_clock.h"
#include "common/test_clock.h"

namespace dormouse {

namespace {

constexpr int64_t kSteerMs = 1'000;

int64_t MachineMs() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// Of the process: what time it is does not depend on who asks.
struct TimeOfDay {
  SteeredClock machine;   // follows this machine's
  SteeredClock followed;  // once somebody has called FollowClock
  std::atomic<int64_t> steered_ms{0};
};

TimeOfDay& ProcessTime() {
  static TimeOfDay time;
  return time;
}

// Without what a test adds to it.
int64_t SteeredMs() {
  TimeOfDay& time = ProcessTime();
  const int64_t now = SteadyMs();
  if (time.followed.is_set()) return time.followed.At(now);
  if (!time.machine.is_set() || now - time.steered_ms.load(std::memory_order_relaxed) >= kSteerMs) {
    time.steered_ms.store(now, std::memory_order_relaxed);
    time.machine.Steer(now, MachineMs());
  }
  return time.machine.At(now);
}

}  // namespace

int64_t WallMs() { return SteeredMs() + TestClockAheadMs(); }

int64_t FollowClock(int64_t true_ms, int64_t steady_ms) {
  return ProcessTime().followed.Steer(steady_ms, true_ms);
}

int64_t SteadyMs() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::steady_clock;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string Iso8601(int64_t wall_ms) {
  // Who writes times writes many of the same second.
  struct Second {
    time_t number = std::numeric_limits<time_t>::min();
    std::string text;
  };
  thread_local Second last;
  const time_t number = wall_ms / 1000;
  if (number != last.number) {
    tm utc;
    gmtime_r(&number, &utc);
    last = {number, fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z", utc.tm_year + 1900,
                                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec)};
  }
  std::string text = last.text;
  auto ms = static_cast<unsigned>(wall_ms % 1000);
  for (size_t at = text.size() - 2; ms > 0; ms /= 10) text[at--] = static_cast<char>('0' + ms % 10);
  return text;
}

}  // namespace dormouse
