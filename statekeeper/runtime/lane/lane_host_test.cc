#include "statekeeper/runtime/lane/lane_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LaneHostTest, WhatIsWrittenInATurnLeavesAtItsEndAndWhatIsSentWhenThatIsDurable) {
  HostedLane lane;
  lane.Serve();
  lane.Open("test/a");
  lane.Settle();
  lane.Say("test/a", "put");
  EXPECT_EQ(lane.store->waiting(), 0u);
  lane.Turn();
  EXPECT_EQ(lane.store->waiting(), 1u);
  EXPECT_THAT(lane.Sent(), IsEmpty());
  lane.store->Step();
  EXPECT_THAT(lane.Sent(), ElementsAre("put"));
}

TEST(LaneHostTest, TheTurnIsCounted) {
  HostedLane lane;
  lane.Serve();
  lane.Open("test/a");
  lane.Say("test/a", "hello");
  lane.Settle();
  EXPECT_EQ(lane.metrics().hubs_awake.Value(), 1);
  EXPECT_EQ(lane.metrics().events.Value(), 2);
  EXPECT_EQ(lane.metrics().event_bytes.Value(), 5);
  EXPECT_EQ(lane.metrics().delivery_bytes.Value(), 5);
}

}  // namespace
}  // namespace dormouse
