#include "statekeeper/ownership/shards/shard_table.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(ShardTable, NeverGoesBackByWhatTheStoreTells) {
  ShardTable table(4);
  const std::string me = PrintMemberId(1);
  const std::string other = PrintMemberId(2);
  EXPECT_TRUE(table.Learn({1, 7, me, ""}));
  EXPECT_FALSE(table.Learn({1, 7, me, ""}));
  EXPECT_FALSE(table.Learn({1, 6, other, ""}));
  EXPECT_TRUE(table.Learn({1, 7, me, other}));
  EXPECT_EQ(table.Entry(1), (ShardEntry{1, 7, me, other}));
  EXPECT_FALSE(table.Learn({4, 1, me, ""}));
  table.Set(1, {});
  EXPECT_EQ(table.Entry(1), (ShardEntry{1, 0, "", ""}));
}

TEST(ShardTable, RemembersTheHighestEpochThatAnybodyHasSpokenOf) {
  ShardTable table(4);
  EXPECT_TRUE(table.Learn({1, 7, PrintMemberId(1), ""}));
  table.Saw(1, 9);
  table.Set(1, {1, 8, 0});  // a record says so
  EXPECT_EQ(table.at(1).epoch, 8u);
  EXPECT_EQ(table.highest(1), 9u);
  EXPECT_EQ(table.highest(2), 0u);
}

}  // namespace
}  // namespace dormouse
