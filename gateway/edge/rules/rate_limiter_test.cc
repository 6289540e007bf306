#include "gateway/edge/rules/rate_limiter.h"

#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

TEST(RateLimiter, GivesTheBurstAndThenTheRate) {
  RateLimiter limiter;
  int64_t now = 1'000'000;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(limiter.TryAcquire(10, 20, now));
  EXPECT_FALSE(limiter.TryAcquire(10, 20, now));
  EXPECT_EQ(limiter.RetryAfterMs(10), 100);
  EXPECT_FALSE(limiter.TryAcquire(10, 20, now + 99));
  EXPECT_TRUE(limiter.TryAcquire(10, 20, now + 100));
  EXPECT_FALSE(limiter.TryAcquire(10, 20, now + 100));
  now += 60'000;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(limiter.TryAcquire(10, 20, now));
  EXPECT_FALSE(limiter.TryAcquire(10, 20, now));
}

TEST(RateLimiter, RetryAfterIsRoundedUp) {
  RateLimiter limiter;
  EXPECT_TRUE(limiter.TryAcquire(0.1, 1, 1000));
  EXPECT_FALSE(limiter.TryAcquire(0.1, 1, 1500));
  EXPECT_EQ(limiter.RetryAfterMs(0.1), 9500);
}

}  // namespace
}  // namespace dormouse::edge
