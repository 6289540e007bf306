#include "gateway/link/shard_route.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

using Claim = ShardRoute::Claim;

class ShardRouteTest : public testing::Test {
 protected:
  // Only their addresses count.
  static StatekeeperLane* Lane(int i) { return reinterpret_cast<StatekeeperLane*>(&lanes_[i]); }

  static inline char lanes_[3];
  StatekeeperLane* const nobody_ = Lane(0);
  ShardRoute route_{nobody_};
};

TEST_F(ShardRouteTest, ALaterEpochWinsWhoeverSpeaksOfIt) {
  EXPECT_TRUE(route_.IsNews(Lane(1), 1, false));
  route_.Assign(Lane(1), 1);
  EXPECT_EQ(route_.Judge(Lane(2), 2), Claim::kNews);
  route_.Assign(Lane(2), 2);
  EXPECT_FALSE(route_.IsNews(Lane(1), 1, true));
  EXPECT_EQ(route_.Judge(Lane(1), 1), Claim::kStale);
  EXPECT_EQ(route_.Judge(Lane(2), 2), Claim::kKnown);
  EXPECT_TRUE(route_.IsNews(nobody_, 3, true));
}

TEST_F(ShardRouteTest, WhatIsSaidInAnEpochThatIsOverIsNotHeeded) {
  route_.Assign(Lane(1), 2);
  EXPECT_FALSE(route_.Heed(1));
  EXPECT_TRUE(route_.Heed(2));
  EXPECT_TRUE(route_.Heed(3));  // the owner is newer than the map
  EXPECT_FALSE(route_.Heed(2));
  EXPECT_EQ(route_.epoch(), 2u);
  EXPECT_EQ(route_.known_epoch(), 3u);
  EXPECT_EQ(route_.Judge(Lane(1), 2), Claim::kStale);
}

TEST_F(ShardRouteTest, ASecondOwnerOfAnEpochIsToTakeALaterOne) {
  route_.Assign(Lane(1), 2);
  EXPECT_EQ(route_.Judge(Lane(2), 2), Claim::kStale);
  EXPECT_EQ(route_.known_epoch(), 3u);
  EXPECT_FALSE(route_.IsNews(Lane(2), 2, false));
}

TEST_F(ShardRouteTest, AMapOfTheSameEpochCountsWhereNobodyAnswers) {
  EXPECT_FALSE(route_.IsNews(nobody_, 0, false));
  route_.Assign(nobody_, 2);
  EXPECT_TRUE(route_.IsNews(Lane(1), 2, false));
  route_.Assign(Lane(1), 2);
  EXPECT_FALSE(route_.IsNews(nobody_, 2, true));
  EXPECT_TRUE(route_.IsNews(nobody_, 2, false));
}

TEST_F(ShardRouteTest, FewerCommitsThanAnOwnerSpokeOfAreNoticed) {
  route_.Assign(Lane(1), 1);
  EXPECT_TRUE(route_.SetCommits(5));
  route_.NoteCommits(1, 7);
  route_.Assign(Lane(2), 2);
  route_.NoteCommits(1, 9);  // stale
  EXPECT_TRUE(route_.SetCommits(7));
  EXPECT_FALSE(route_.SetCommits(6));
}

}  // namespace
}  // namespace dormouse
