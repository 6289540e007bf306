#include "statekeeper/runtime/lane/turn_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TurnSchedulerTest, OfManyThatNeedTheStoreAFewHaveTheirTurnAndTheRestWait) {
  HostedLane lane;
  lane.config.max_handlers = 2;
  lane.Serve();
  for (int i = 0; i < 5; ++i) lane.Say("test/" + std::to_string(i), "hello");
  lane.Turn();
  EXPECT_EQ(lane.store->waiting(), 2u);
  EXPECT_EQ(lane.host().hubs().size(), 2u);
  lane.store->Step();
  lane.Turn();
  lane.Turn();
  EXPECT_EQ(lane.store->waiting(), 2u) << "who is done makes room";
  lane.Settle();
  EXPECT_EQ(lane.host().hubs().size(), 5u);
}

TEST(TurnSchedulerTest, WithoutTheLeaseNobodyHasATurn) {
  HostedLane lane;
  lane.config.max_handlers = 1;
  lane.Serve();
  lane.Say("test/a", "hello");
  lane.Say("test/b", "hello");
  lane.lease.Renew(0);
  lane.store->Step();
  lane.Turn();
  EXPECT_EQ(lane.Find("test/b"), nullptr);
  lane.lease.Renew(Lease::kForever);
  while (lane.Find("test/b") == nullptr) {
    ev_run(lane.loop(), EVRUN_ONCE);
    lane.Turn();
  }
}

TEST(TurnSchedulerTest, WhatIsTriedAgainWaitsForAStoreThatIsWell) {
  HostedLane lane;
  lane.Serve();
  lane.Open("test/a");
  lane.Settle();
  lane.Send("test/a", EventKind::kClose, ClosePayload(1000, ""));
  lane.Turn();
  lane.store->FailStep(StoreStatus::kUnavailable);
  lane.Turn();
  lane.store->is_healthy = false;
  lane.host().scheduler().OnLeaseRenewed();
  lane.Turn();
  EXPECT_EQ(lane.store->waiting(), 0u);
  lane.store->is_healthy = true;
  lane.host().scheduler().OnLeaseRenewed();
  lane.Settle();
  EXPECT_EQ(lane.store->hubs["test/a"]["u/closed"], "x");
}

TEST(TurnSchedulerTest, WhenTooManyBytesWaitNothingMoreIsTakenFromGateways) {
  HostedLane lane;
  lane.config.max_handlers = 1;
  lane.Serve();
  lane.Say("test/a", "hello");
  const std::string large(10u << 20, 'x');
  for (int i = 0; i < 6; ++i) lane.Say("test/b" + std::to_string(i), large);
  lane.Turn();
  EXPECT_THAT(lane.links->holds, IsEmpty());
  lane.Say("test/c", large);
  EXPECT_THAT(lane.links->holds, ElementsAre(true));
  lane.Settle();
  EXPECT_THAT(lane.links->holds, ElementsAre(true, false));
}

}  // namespace
}  // namespace dormouse
