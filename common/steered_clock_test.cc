#include "common/steered_clock.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

constexpr int64_t kHour = 3'600'000;

TEST(SteeredClockTest, BelievesTheFirstReferenceAtOnceAndGoesOnWithTheSteadyClock) {
  SteeredClock clock;
  EXPECT_FALSE(clock.is_set());
  EXPECT_EQ(clock.Steer(1'000, 50'000), 0);
  EXPECT_EQ(clock.At(1'000), 50'000);
  EXPECT_EQ(clock.At(3'500), 52'500);
}

TEST(SteeredClockTest, FollowsAJumpByAQuarterOfTheTimeThatPasses) {
  for (const int64_t jump : {kHour, -kHour}) {
    SteeredClock clock;
    clock.Steer(0, 10 * kHour);
    int64_t behind = 0;
    for (int64_t now = 1'000; now <= 8'000; now += 1'000) behind = clock.Steer(now, 10 * kHour + now + jump);
    EXPECT_EQ(clock.At(8'000), 10 * kHour + 8'000 + (jump > 0 ? 2'000 : -2'000));
    EXPECT_EQ(behind, jump > 0 ? kHour - 2'000 : 2'000 - kHour);
    EXPECT_EQ(clock.Steer(5 * kHour, 15 * kHour + jump), 0) << "it arrives";
  }
}

TEST(SteeredClockTest, AReadingThatComesLateMovesNothing) {
  SteeredClock clock;
  clock.Steer(1'000, 50'000);
  clock.Steer(900, 60'000);
  EXPECT_EQ(clock.At(1'000), 50'000);
}

}  // namespace
}  // namespace dormouse
