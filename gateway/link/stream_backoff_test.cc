#include "gateway/link/stream_backoff.h"

#include <gtest/gtest.h>

#include <vector>

namespace dormouse {
namespace {

// How long from `now` on it waits.
int64_t Wait(const StreamBackoff& backoff, int64_t now) {
  int64_t wait = 0;
  while (!backoff.IsDue(now + wait)) ++wait;
  return wait;
}

TEST(StreamBackoffTest, ABrokenStreamIsOpenedSoonAndOneThatCannotBeLessSo) {
  StreamBackoff backoff;
  EXPECT_TRUE(backoff.IsDue(0));
  EXPECT_EQ(backoff.Open(), 0u);
  backoff.Greeted(1'000);
  backoff.Broke(2'000);
  EXPECT_EQ(Wait(backoff, 2'000), 50);
  EXPECT_EQ(backoff.Open(), 0u);
  EXPECT_TRUE(backoff.is_first());
  backoff.Broke(3'000);
  EXPECT_EQ(Wait(backoff, 3'000), 50);
  EXPECT_EQ(backoff.Open(), 1u);
  EXPECT_FALSE(backoff.is_first());
  backoff.Broke(4'000);
  EXPECT_EQ(Wait(backoff, 4'000), 200);
}

TEST(StreamBackoffTest, EndsThatNeverAgreeTrySeldom) {
  StreamBackoff backoff;
  std::vector<int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(backoff.Disagreed(1'000, true), i > 0);
    waits.push_back(Wait(backoff, 1'000));
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{50, 50, 1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 32'000}));
}

TEST(StreamBackoffTest, AStreamThatLivedLongMakesUpForDisagreements) {
  StreamBackoff backoff;
  for (int i = 0; i < 5; ++i) backoff.Disagreed(0, true);
  backoff.Greeted(1'000);
  EXPECT_TRUE(backoff.Disagreed(60'999, true));
  backoff.Greeted(100'000);
  EXPECT_TRUE(backoff.Disagreed(160'000, false));
  EXPECT_FALSE(backoff.Disagreed(160'000, true));
}

}  // namespace
}  // namespace dormouse
