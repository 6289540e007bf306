#include "statekeeper/runtime/lane/awake_hubs.h"

#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

// Woken, and come to rest.
void Wake(HostedLane* lane, const std::string& hub) {
  lane->Open(hub);
  lane->Settle();
}

TEST(AwakeHubsTest, AnIdleHubLeavesMemoryAndABusyOneStays) {
  HostedLane lane;
  lane.config.hibernate_after = Duration(0);
  lane.Serve();
  lane.Open("test/a");
  lane.Turn();
  EXPECT_NE(lane.Find("test/a"), nullptr) << "it waits for the store";
  lane.Settle();
  EXPECT_EQ(lane.Find("test/a"), nullptr);
  EXPECT_EQ(lane.host().hubs().size(), 0u);
}

TEST(AwakeHubsTest, BeyondMaxAwakeTheIdlestLeaveAtTheEndOfATurn) {
  HostedLane lane;
  lane.config.max_awake = 2;
  lane.Serve();
  Wake(&lane, "test/a");
  Wake(&lane, "test/b");
  lane.Say("test/a", "hello");  // b is the idlest now
  Wake(&lane, "test/c");
  EXPECT_NE(lane.Find("test/a"), nullptr);
  EXPECT_EQ(lane.Find("test/b"), nullptr);
  EXPECT_NE(lane.Find("test/c"), nullptr);
}

TEST(AwakeHubsTest, TheHubsOfAShardThatIsRemovedAreDeposed) {
  HostedLane lane;
  lane.Serve();
  Wake(&lane, "test/a");
  const std::shared_ptr<AwakeHub> hub = lane.Find("test/a")->shared_from_this();
  const ShardEpoch shard = lane.EpochOf("test/a");
  lane.host().hubs().Remove(shard.shard);
  EXPECT_EQ(lane.host().hubs().Find("test/a", shard), nullptr);
  EXPECT_TRUE(lane.host().hubs().All().empty());
  lane.Sent();
  hub->Deliver(event::FromGateway{.gateway = 1, .handle = UuidLow(1), .sequence = 9, .payload = "late"});
  lane.Settle();
  EXPECT_TRUE(lane.Sent().empty());
}

TEST(AwakeHubsTest, AHubIsFoundInTheEpochOfItsShardOnly) {
  HostedLane lane;
  lane.Serve(7);
  Wake(&lane, "test/a");
  const ShardId shard = HostedLane::ShardOfHub("test/a");
  EXPECT_NE(lane.host().hubs().Find("test/a", {shard, 7}), nullptr);
  EXPECT_EQ(lane.host().hubs().Find("test/a", {shard, 8}), nullptr);
}

TEST(AwakeHubsTest, AStoppingLanesHubsStayUntilItEnds) {
  HostedLane lane;
  lane.config.hibernate_after = Duration(0);
  lane.Serve();
  lane.host().hubs().StopHibernation();
  Wake(&lane, "test/a");
  EXPECT_NE(lane.Find("test/a"), nullptr);
  EXPECT_TRUE(lane.host().hubs().AreIdle());
  lane.Say("test/a", "put");
  EXPECT_FALSE(lane.host().hubs().AreIdle());
}

TEST(AwakeHubsTest, AShorterTimeCountsAtOnce) {
  HostedLane lane;
  lane.Serve();
  Wake(&lane, "test/a");
  lane.host().hubs().Change(Duration(0), 10, nullptr);
  EXPECT_EQ(lane.Find("test/a"), nullptr);
}

}  // namespace
}  // namespace dormouse
