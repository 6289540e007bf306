#include "statekeeper/admin/replies.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

ClusterView TwoMembers() {
  ClusterView view;
  view.shard_count = 3;
  view.members.resize(2);
  view.members[0].id = "1111";
  view.members[0].is_self = true;
  view.members[0].shards = 1;
  view.members[1].id = "2222";
  view.members[1].shards = 1;
  view.shards = {{.shard = 0, .epoch = 1, .owner = "1111", .avoid = ""},
                 {.shard = 1, .epoch = 4, .owner = "2222", .avoid = ""},
                 {.shard = 2, .epoch = 2, .owner = "3333", .avoid = ""}};
  return view;
}

TEST(RepliesTest, AShardWhoseOwnerIsGoneIsOwnerless) {
  const admin::MembersReply members = ListMembers(TwoMembers());
  EXPECT_EQ(members.self(), "1111");
  EXPECT_EQ(members.ownerless(), 1u);
  admin::ShardsReply shards;
  ASSERT_TRUE(ListShards(TwoMembers(), {}, &shards).ok());
  ASSERT_EQ(shards.shards_size(), 3);
  EXPECT_TRUE(shards.shards(1).owner_lives());
  EXPECT_FALSE(shards.shards(2).owner_lives());
}

TEST(RepliesTest, ShardsOfAnOwnerAreItsAlone) {
  admin::ShardsRequest request;
  request.set_owner("22");
  admin::ShardsReply shards;
  ASSERT_TRUE(ListShards(TwoMembers(), request, &shards).ok());
  ASSERT_EQ(shards.shards_size(), 1);
  EXPECT_EQ(shards.shards(0).epoch(), 4u);
  request.set_owner("9");
  EXPECT_FALSE(ListShards(TwoMembers(), request, &shards).ok());
}

TEST(RepliesTest, AFullPageSaysThatMoreMayFollow) {
  const std::vector<ConnectionReport> two(2);
  EXPECT_FALSE(ListConnections(two, 2).complete());
  EXPECT_TRUE(ListConnections(two, 3).complete());
}

}  // namespace
}  // namespace dormouse
