#include "gateway/edge/over_limit.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

constexpr double kRate = 10;

// Refuses so many a second, for so long; when it was too much. 0: never.
int64_t TooMuchAfterMs(OverLimit* over, int per_second, int64_t begin_ms, int64_t end_ms) {
  for (int64_t now = begin_ms; now < end_ms; now += 10) {
    for (int i = 0; i < per_second / 100; ++i) {
      if (over->IsTooMuch(kRate, now)) return now - begin_ms;
    }
  }
  return 0;
}

TEST(OverLimitTest, TenTimesTheRateForTenSecondsIsTooMuch) {
  OverLimit flood;
  EXPECT_EQ(TooMuchAfterMs(&flood, 1'000, 1'000, 61'000), 10'000);
  OverLimit steady;
  EXPECT_EQ(TooMuchAfterMs(&steady, 200, 1'000, 61'000), 10'000);
}

TEST(OverLimitTest, LessThanThatIsOnlyRefused) {
  OverLimit twice;
  EXPECT_EQ(TooMuchAfterMs(&twice, 0, 1'000, 2'000), 0);
  for (int64_t now = 1'000; now < 100'000; now += 50) EXPECT_FALSE(twice.IsTooMuch(kRate, now)) << now;
}

TEST(OverLimitTest, ABurstThatEndsIsOnlyRefused) {
  OverLimit burst;
  for (int64_t begin = 1'000; begin < 200'000; begin += 30'000) {
    EXPECT_EQ(TooMuchAfterMs(&burst, 5'000, begin, begin + 5'000), 0);
  }
}

TEST(OverLimitTest, TellsAHundredAtOnceAndThenAFewASecond) {
  OverLimit over;
  int told = 0;
  for (int i = 0; i < 1'000; ++i) told += over.MayTell(1'000) ? 1 : 0;
  EXPECT_EQ(told, 100);
  for (int64_t now = 1'000; now < 11'000; now += 10) told += over.MayTell(now) ? 1 : 0;
  EXPECT_NEAR(told, 150, 2);
}

}  // namespace
}  // namespace dormouse
