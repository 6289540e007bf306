#include "statekeeper/store/redis/cluster_slots.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

const RedisAddress kAsked{"10.0.0.9", 7000};

TEST(ClusterSlotsTest, ASlotIsThatOfTheHashTag) {
  EXPECT_EQ(ClusterSlotOf("123456789"), 0x31c3) << "the check value of the cluster specification";
  EXPECT_EQ(ClusterSlotOf("foo"), 12'182);
  EXPECT_EQ(ClusterSlotOf("{foo}:bar"), ClusterSlotOf("foo"));
  EXPECT_EQ(ClusterSlotOf("a{foo}{bar}"), ClusterSlotOf("foo"));
  EXPECT_NE(ClusterSlotOf("{}foo"), ClusterSlotOf("foo"));
  EXPECT_EQ(ClusterSlotOf("a{foo"), ClusterSlotOf("a{foo"));
}

TEST(ClusterSlotsTest, Redirections) {
  EXPECT_FALSE(ParseRedirect("ERR no", kAsked));
  EXPECT_FALSE(ParseRedirect("MOVEDX 1 host:1", kAsked));
  EXPECT_FALSE(ParseRedirect("MOVED 1 host:0", kAsked));
  EXPECT_FALSE(ParseRedirect("MOVED 1 host:x", kAsked));
  const auto moved = ParseRedirect("MOVED 3999 10.0.0.1:6381", kAsked);
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->to, (RedisAddress{"10.0.0.1", 6381}));
  const auto ask = ParseRedirect("ASK 3999 ::1:6381", kAsked);
  ASSERT_TRUE(ask);
  EXPECT_TRUE(ask->ask);
  EXPECT_EQ(ask->to, (RedisAddress{"::1", 6381}));
  EXPECT_EQ(ParseRedirect("MOVED 3999 :6381", kAsked)->to.host, "10.0.0.9");
}

TEST(ClusterSlotsTest, ARedirectionChangesTheOwner) {
  ClusterSlots slots;
  EXPECT_EQ(slots.OwnerOf(5), nullptr);
  EXPECT_FALSE(slots.complete());
  slots.SetOwner(5, kAsked);
  ASSERT_NE(slots.OwnerOf(5), nullptr);
  EXPECT_EQ(*slots.OwnerOf(5), kAsked);
  EXPECT_EQ(slots.OwnerOf(6), nullptr);
  EXPECT_TRUE(slots.Owns(kAsked));
}

}  // namespace
}  // namespace dormouse
