#include "common/tracing/span.h"

#include <chrono>
#include <cstdlib>

#include "common/clock.h"

namespace dormouse {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Further than this from WallMs, which is in whole milliseconds, and the clock has been set.
constexpr int64_t kMostAwayNs = 2 * kNsPerMs;

}  // namespace

int64_t SpanClockNs() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::steady_clock;
  thread_local int64_t offset_ns = 0;  // of the time of day from the steady clock
  const int64_t steady_ns = duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
  const int64_t wall_ns = WallMs() * kNsPerMs;
  if (std::abs(steady_ns + offset_ns - wall_ns) > kMostAwayNs) offset_ns = wall_ns - steady_ns;
  return steady_ns + offset_ns;
}

}  // namespace dormouse
