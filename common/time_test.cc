#include "common/time.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace dormouse {
namespace {

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a < b;
};

static_assert(Comparable<SteadyTime, SteadyTime>);
static_assert(!Comparable<SteadyTime, WallTime>, "of two clocks");
static_assert(!Comparable<SteadyTime, int64_t>, "no number");
static_assert(!std::is_convertible_v<int64_t, SteadyTime> && !std::is_convertible_v<SteadyTime, int64_t>);
static_assert(std::is_same_v<decltype(SteadyTime() - SteadyTime()), Duration>);

TEST(Time, AreTheClocksOfClockH) {
  const int64_t steady_before = SteadyMs();
  const SteadyTime steady = SteadyClock::now();
  EXPECT_LE(steady_before, Milliseconds(steady));
  EXPECT_LE(Milliseconds(steady), SteadyMs());
  const int64_t wall_before = WallMs();
  const WallTime wall = WallClock::now();
  EXPECT_LE(wall_before, Milliseconds(wall));
  EXPECT_LE(Milliseconds(wall), WallMs());
}

TEST(Time, NeverYetIsBeforeAllOthers) {
  EXPECT_LT(SteadyTime(), SteadyClock::now());
  EXPECT_EQ(Milliseconds(SteadyTime() + Duration(5)), 5);
}

}  // namespace
}  // namespace dormouse
