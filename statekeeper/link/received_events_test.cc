#include "statekeeper/link/received_events.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

using Verdict = ReceivedEvents::Verdict;

class ReceivedEventsTest : public testing::Test {
 protected:
  Verdict Receive(uint64_t sequence, uint32_t epoch, uint32_t owned, ShardId shard = 4) {
    return received_.Receive({.shard = shard, .epoch = epoch, .sequence = sequence, .hub = {}, .payload = {}},
                             owned);
  }

  ReceivedEvents received_{2};
};

TEST_F(ReceivedEventsTest, EachIsReceivedOnce) {
  EXPECT_EQ(Receive(5, 1, 1), Verdict::kFirst);
  EXPECT_EQ(Receive(6, 1, 1), Verdict::kNext);
  EXPECT_EQ(Receive(5, 1, 1), Verdict::kSkip);
  EXPECT_EQ(Receive(6, 1, 1), Verdict::kSkip);
  EXPECT_EQ(Receive(6, 1, 1, 6), Verdict::kFirst);  // another shard
  EXPECT_EQ(received_.FirstOf(4, 1), 5u);
}

TEST_F(ReceivedEventsTest, OnlyInTheEpochInWhichTheLaneOwnsTheShard) {
  EXPECT_EQ(Receive(1, 1, 0), Verdict::kSkip);
  EXPECT_EQ(Receive(1, 1, 2), Verdict::kSkip);
  EXPECT_FALSE(received_.Has(4, 1));
  EXPECT_EQ(Receive(1, 2, 2), Verdict::kFirst);
  EXPECT_TRUE(received_.Has(4, 2));
}

TEST_F(ReceivedEventsTest, ANewEpochBeginsAnew) {
  Receive(5, 1, 1);
  EXPECT_TRUE(received_.TellCommits(4, 7));
  EXPECT_FALSE(received_.TellCommits(4, 7));
  EXPECT_EQ(Receive(3, 2, 2), Verdict::kFirst);
  EXPECT_EQ(received_.FirstOf(4, 2), 3u);
  EXPECT_EQ(received_.FirstOf(4, 1), 0u);
  EXPECT_TRUE(received_.TellCommits(4, 7));
}

TEST_F(ReceivedEventsTest, NothingOvertakesOneThatCameBeforeTheLaneOwnedItsShard) {
  EXPECT_EQ(Receive(7, 2, 1), Verdict::kSkip);  // by a map that is ahead of the lane
  EXPECT_EQ(Receive(8, 2, 2), Verdict::kSkip);  // the lane owns it now, the gateway has not heard so
  EXPECT_EQ(Receive(7, 2, 2), Verdict::kFirst);
  EXPECT_EQ(Receive(8, 2, 2), Verdict::kNext);
}

TEST_F(ReceivedEventsTest, WhatIsForgottenComesAgain) {
  Receive(5, 1, 1);
  received_.Forget(4);
  EXPECT_FALSE(received_.Has(4, 1));
  EXPECT_EQ(Receive(5, 1, 1), Verdict::kFirst);
  received_.ForgetAll();
  EXPECT_EQ(Receive(5, 1, 1), Verdict::kFirst);
}

}  // namespace
}  // namespace dormouse
