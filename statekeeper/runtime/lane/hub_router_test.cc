#include "statekeeper/runtime/lane/hub_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HubRouterTest : public testing::Test {
 protected:
  EventView Event(const std::string& hub, EventKind kind, std::string_view payload) {
    return {.kind = kind,
            .shard = HostedLane::ShardOfHub(hub),
            .epoch = 1,
            .sequence = ++sequence_,
            .connection = UuidLow(1),
            .hub = hub,
            .payload = payload};
  }

  HostedLane lane_;
  uint64_t sequence_ = 100;
};

TEST_F(HubRouterTest, AnEventWakesItsHubAndTheNextFindsIt) {
  lane_.Serve();
  lane_.Open("test/a");
  lane_.Say("test/a", "one");
  lane_.Say("test/a", "two");
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("one", "two"));
  EXPECT_EQ(lane_.host().hubs().size(), 1u);
}

TEST_F(HubRouterTest, WhatIsOfAnotherEpochIsDropped) {
  lane_.Serve();
  EventView event = Event("test/a", EventKind::kText, "hello");
  event.epoch = 2;
  lane_.host().router().OnEvent(1, event);
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
  EXPECT_THAT(lane_.links->released, IsEmpty()) << "it is not settled: its gateway sends it to the owner";
}

TEST_F(HubRouterTest, AnEventOfAHubThatIsNotOfThatShardIsRefusedAndSettled) {
  lane_.Serve();
  EventView event = Event("test/a", EventKind::kText, "hello");
  event.shard = (event.shard + 1) % HostedLane::kShards;
  lane_.host().router().OnEvent(1, event);
  ASSERT_EQ(lane_.links->released.size(), 1u);
  EXPECT_EQ(lane_.links->released[0].cause.sequence, event.sequence);
  EXPECT_EQ(lane_.links->released[0].outputs.at(0).kind, DeliveryKind::kClose);
}

TEST_F(HubRouterTest, WithoutAClassAnOpenIsClosedAndAnythingElseSettled) {
  lane_.Serve();
  lane_.host().router().OnEvent(1, Event("nothing/a", EventKind::kOpen, ""));
  lane_.host().router().OnEvent(1, Event("nothing/a", EventKind::kText, "hello"));
  ASSERT_EQ(lane_.links->released.size(), 2u);
  EXPECT_EQ(lane_.links->released[0].outputs.size(), 1u);
  EXPECT_THAT(lane_.links->released[1].outputs, IsEmpty());
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
}

TEST_F(HubRouterTest, WhileTheLeaseHasRunOutEventsWaitWithTheirShard) {
  lane_.Serve();
  lane_.lease.Renew(0);
  lane_.Open("test/a");
  lane_.Say("test/a", "one");
  lane_.Turn();
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
  lane_.lease.Renew(Lease::kForever);
  lane_.host().router().OnLeaseRenewed();
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("one"));
}

TEST_F(HubRouterTest, AnAlarmWakesItsHubIfTheStoreIsWell) {
  lane_.Serve();
  lane_.host();
  lane_.store->is_healthy = false;
  lane_.host().router().OnAlarm({.hub = "test/a", .due_ms = 1}, HostedLane::ShardOfHub("test/a"));
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
  lane_.store->is_healthy = true;
  lane_.host().router().OnAlarm({.hub = "test/a", .due_ms = 1}, HostedLane::ShardOfHub("test/a"));
  EXPECT_EQ(lane_.host().hubs().size(), 1u);
}

TEST_F(HubRouterTest, WhatWasThereBeforeTheLastOfManyDeathsIsSuspect) {
  lane_.Serve(1, /*crashes=*/2);
  lane_.Send("test/a", EventKind::kText, "new");
  EXPECT_NE(lane_.Find("test/a"), nullptr);
  lane_.Settle();
  const size_t before = lane_.store->range_calls();
  lane_.Send("test/b", EventKind::kText, "replayed", /*repeated=*/true);
  EXPECT_EQ(lane_.Find("test/b"), nullptr) << "suspects wait, even while nobody else does";
  lane_.Settle();
  EXPECT_GT(lane_.store->range_calls(), before);
}

}  // namespace
}  // namespace dormouse
