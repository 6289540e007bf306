#include "statekeeper/link/owned_shards.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(OwnedShardsTest, KnowsWhichShardsAreTheLanes) {
  const OwnedShards owned(1, 3);
  EXPECT_TRUE(owned.IsOfLane(1));
  EXPECT_TRUE(owned.IsOfLane(4));
  EXPECT_FALSE(owned.IsOfLane(3));
}

TEST(OwnedShardsTest, DescribesWhatIsOwnedAndNothingElse) {
  OwnedShards owned(1, 3);
  owned.SetCommits(4, 17);  // before it is owned
  EXPECT_EQ(owned.EpochOf(4), 0u);
  owned.Own({4, 2});
  owned.Own({1, 9});
  owned.Own({10, 5});
  owned.Disown(1);
  link::ToGateway message;
  owned.DescribeAll(&message);
  ASSERT_EQ(message.owned_size(), 2);
  EXPECT_EQ(message.owned(0).shard(), 4u);
  EXPECT_EQ(message.owned(0).epoch(), 2u);
  EXPECT_EQ(message.owned(0).commits(), 17u);
  EXPECT_EQ(message.owned(1).shard(), 10u);
  EXPECT_TRUE(message.owned(1).has_commits());
  message.Clear();
  owned.Describe(1, &message);
  EXPECT_EQ(message.owned_size(), 0);
}

}  // namespace
}  // namespace dormouse
