#include "statekeeper/runtime/lane/gateway_watch.h"

#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

class GatewayWatchTest : public testing::Test {
 protected:
  GatewayWatchTest() {
    lane_.Serve();
    lane_.Open("test/a");
    lane_.Settle();
  }
  // Whether the hub has heard that its connection has ended.
  bool HasEnded() { return lane_.store->hubs["test/a"].count("u/closed") == 1; }
  size_t RollCalls() {
    size_t calls = 0;
    for (const EventOutput& output : std::exchange(lane_.links->released, {})) {
      for (const Output& each : output.outputs) calls += each.kind == DeliveryKind::kRollCall ? 1 : 0;
    }
    return calls;
  }

  HostedLane lane_;
};

TEST_F(GatewayWatchTest, TheConnectionsOfAGatewayThatIsGoneEnd) {
  lane_.host().gateways().OnGone(2, {});
  lane_.Settle();
  EXPECT_FALSE(HasEnded()) << "it has none there";
  lane_.links->gone = {1};
  lane_.host().gateways().OnGone(1, {});
  lane_.Settle();
  EXPECT_TRUE(HasEnded());
}

TEST_F(GatewayWatchTest, WithoutTheLeaseTheyEndWhenItIsGoodAgain) {
  lane_.links->gone = {1};
  lane_.lease.Renew(0);
  lane_.host().gateways().OnGone(1, {});
  lane_.Settle();
  EXPECT_FALSE(HasEnded());
  lane_.lease.Renew(Lease::kForever);
  lane_.host().gateways().OnLeaseRenewed();
  lane_.Settle();
  EXPECT_TRUE(HasEnded());
}

TEST_F(GatewayWatchTest, AHubThatIsOwedSomethingIsWoken) {
  lane_.host().hubs().Sleep(lane_.Find("test/a"));
  lane_.links->gone = {1};
  lane_.host().gateways().OnGone(1, {});
  EXPECT_EQ(lane_.Find("test/a"), nullptr);
  lane_.host().gateways().OnGone(1, {"test/a"});
  lane_.Settle();
  EXPECT_TRUE(HasEnded());
}

TEST_F(GatewayWatchTest, AGatewayThatIsBackIsAskedWhichSocketsItHas) {
  RollCalls();
  lane_.host().gateways().OnBack(2);
  EXPECT_EQ(lane_.host().roll_generation(), 1u) << "for those that sleep";
  lane_.Settle();
  EXPECT_EQ(RollCalls(), 1u);
}

}  // namespace
}  // namespace dormouse
