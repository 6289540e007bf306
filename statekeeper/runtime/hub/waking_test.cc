#include "statekeeper/runtime/hub/waking.h"

#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/handler_parts.h"

namespace dormouse {
namespace {

class WakingTest : public testing::Test {
 protected:
  // It had sockets at that gateway when it fell asleep.
  void Store(GatewayId gateway) {
    auto* const sockets = meta_.add_gateways();
    sockets->set_gateway(gateway);
    sockets->set_sockets(1);
    parts_.Store(meta_);
  }
  // Whether the event may be handled.
  bool WakeFor(HubEvent event) {
    bool may_begin = false;
    parts_.host.fibers()->Run([&] {
      try {
        may_begin = dormouse::WakeFor(&event, parts_.handler);
      } catch (const StoreAway&) {
        away_ = true;
      }
    });
    parts_.host.hub_store.StepAll();
    return may_begin;
  }

  HandlerParts parts_;
  stored::HubMeta meta_;
  bool away_ = false;
};

TEST_F(WakingTest, WhatHappenedWhileItSleptComesBeforeWhatWokeIt) {
  parts_.host.gone = {4};
  Store(4);
  EXPECT_FALSE(WakeFor(event::FromGateway{.gateway = 1, .sequence = 1}));
  EXPECT_TRUE(Is<event::GatewayGone>(parts_.queue.Take()));
  EXPECT_TRUE(Is<event::FromGateway>(parts_.queue.Take()));
}

TEST_F(WakingTest, WithNothingToCatchUpWithTheEventBegins) {
  Store(1);
  EXPECT_TRUE(WakeFor(event::FromGateway{.gateway = 1, .sequence = 1}));
}

TEST_F(WakingTest, AHubThatIsRestoredByHalfIsAsGoodAsAway) {
  meta_.set_restoring(1);
  Store(1);
  EXPECT_FALSE(WakeFor(event::FromGateway{.gateway = 1, .sequence = 1}));
  EXPECT_TRUE(away_);
  EXPECT_FALSE(parts_.state.loaded());
}

}  // namespace
}  // namespace dormouse
