#include "gateway/edge/rules/rate_limit_violations.h"

#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

constexpr double kRate = 10;

// Refuses so many a second, for so long; when it was too much. 0: never.
int64_t TooMuchAfterMs(RateLimitViolations* over, int per_second, int64_t begin_ms, int64_t end_ms) {
  for (int64_t now = begin_ms; now < end_ms; now += 10) {
    for (int i = 0; i < per_second / 100; ++i) {
      if (over->Record(kRate, now)) return now - begin_ms;
    }
  }
  return 0;
}

TEST(RateLimitViolationsTest, TenTimesTheRateForTenSecondsIsTooMuch) {
  RateLimitViolations flood;
  EXPECT_EQ(TooMuchAfterMs(&flood, 1'000, 1'000, 61'000), 10'000);
  RateLimitViolations steady;
  EXPECT_EQ(TooMuchAfterMs(&steady, 200, 1'000, 61'000), 10'000);
}

TEST(RateLimitViolationsTest, LessThanThatIsOnlyRefused) {
  RateLimitViolations twice;
  EXPECT_EQ(TooMuchAfterMs(&twice, 0, 1'000, 2'000), 0);
  for (int64_t now = 1'000; now < 100'000; now += 50) EXPECT_FALSE(twice.Record(kRate, now)) << now;
}

TEST(RateLimitViolationsTest, ABurstThatEndsIsOnlyRefused) {
  RateLimitViolations burst;
  for (int64_t begin = 1'000; begin < 200'000; begin += 30'000) {
    EXPECT_EQ(TooMuchAfterMs(&burst, 5'000, begin, begin + 5'000), 0);
  }
}

TEST(RateLimitViolationsTest, TellsAHundredAtOnceAndThenAFewASecond) {
  RateLimitViolations over;
  int told = 0;
  for (int i = 0; i < 1'000; ++i) told += over.MayReply(1'000) ? 1 : 0;
  EXPECT_EQ(told, 100);
  for (int64_t now = 1'000; now < 11'000; now += 10) told += over.MayReply(now) ? 1 : 0;
  EXPECT_NEAR(told, 150, 2);
}

}  // namespace
}  // namespace dormouse::edge
