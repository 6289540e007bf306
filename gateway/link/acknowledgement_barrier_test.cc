#include "gateway/link/acknowledgement_barrier.h"

#include <gtest/gtest.h>

#include <set>

namespace dormouse {
namespace {

class AcknowledgementBarrierTest : public testing::Test {
 protected:
  uint64_t Limit(uint64_t through) {
    return barrier_.Limit(through, [this](const AcknowledgementBarrier::Events& events) {
      return sent_.contains(events.last);
    });
  }

  AcknowledgementBarrier barrier_;
  std::set<uint64_t> sent_;
};

TEST_F(AcknowledgementBarrierTest, ABatchWaitsForItsEventsAndLaterOnesForThat) {
  EXPECT_EQ(Limit(10), 10u);
  barrier_.Add(3, {.shard = 1, .epoch = 1, .last = 30});
  barrier_.Add(5, {.shard = 1, .epoch = 1, .last = 50});
  EXPECT_EQ(Limit(10), 2u);
  EXPECT_EQ(Limit(1), 1u);
  sent_ = {50};
  EXPECT_EQ(Limit(10), 2u);
  sent_ = {30};
  EXPECT_EQ(Limit(10), 4u);
  sent_ = {50};
  EXPECT_EQ(Limit(10), 10u);
}

TEST_F(AcknowledgementBarrierTest, WhatIsOfAnEarlierBatchGoesBeforeThat) {
  barrier_.Add(5, {.shard = 1, .epoch = 1, .last = 50});
  barrier_.Add(3, {.shard = 2, .epoch = 1, .last = 30});
  EXPECT_EQ(Limit(10), 2u);
  sent_ = {30};
  EXPECT_EQ(Limit(10), 4u);
}

TEST_F(AcknowledgementBarrierTest, OfABatchAndShardTheLastEventCounts) {
  barrier_.Add(3, {.shard = 1, .epoch = 1, .last = 30});
  barrier_.Add(3, {.shard = 1, .epoch = 1, .last = 31});
  sent_ = {30};
  EXPECT_EQ(Limit(10), 2u);
  sent_ = {31};
  EXPECT_EQ(Limit(10), 10u);
}

}  // namespace
}  // namespace dormouse
