#include "statekeeper/runtime/hub/roll_caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RollCallerTest : public testing::Test {
 protected:
  // The hub has a socket at each of these gateways, and called the roll in that epoch.
  void Begin(const std::vector<GatewayId>& gateways, uint32_t epoch) {
    stored::HubMeta meta;
    for (const GatewayId gateway : gateways) {
      auto* const sockets = meta.add_gateways();
      sockets->set_gateway(gateway);
      sockets->set_sockets(1);
    }
    meta.set_roll_epoch(epoch);
    parts_.Store(meta);
    parts_.Load();
    roll_caller_.Begin();
  }
  std::vector<GatewayId> Asked() {
    std::vector<GatewayId> asked;
    while (!parts_.queue.empty()) asked.push_back(std::get<event::CallRoll>(parts_.queue.Take()).gateway);
    return asked;
  }

  HubParts parts_;
  RollCaller roll_caller_{parts_.shard.epoch, &parts_.state, &parts_.queue, &parts_.host};
};

TEST_F(RollCallerTest, InANewEpochAllGatewaysAreAskedThatMayHaveSockets) {
  parts_.host.linked = {1, 2};
  parts_.host.gone = {4};
  Begin({2, 3, 4}, parts_.shard.epoch - 1);
  EXPECT_THAT(Asked(), ElementsAre(1, 2, 3)) << "3 may be about to link; 4 has no sockets any more";
}

TEST_F(RollCallerTest, ItIsCalledOnceInAnEpochUnlessAGatewayCameBack) {
  parts_.host.linked = {1};
  Begin({1}, parts_.shard.epoch);
  EXPECT_THAT(Asked(), IsEmpty());
  parts_.host.generation = 1;
  Begin({1}, parts_.shard.epoch);
  EXPECT_THAT(Asked(), ElementsAre(1));
}

TEST_F(RollCallerTest, WithoutALinkedGatewayItWaitsForTheNextWake) {
  Begin({1}, 0);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_FALSE(parts_.state.HasCalledRoll(parts_.shard.epoch, 0));
}

TEST_F(RollCallerTest, ItIsDoneWhenTheLastGatewayIsAsked) {
  parts_.host.linked = {1, 2};
  Begin({1}, 0);
  roll_caller_.Ask(2);
  EXPECT_THAT(Asked(), ElementsAre(1, 2)) << "each once";
  HubContext context = parts_.NewContext(0);
  parts_.host.fibers()->Run([&] { roll_caller_.Handle({1}, &context); });
  parts_.host.hub_store.StepAll();
  EXPECT_FALSE(parts_.state.HasCalledRoll(parts_.shard.epoch, 0));
  roll_caller_.OnSetAside({1});  // the store refused that
  parts_.host.fibers()->Run([&] { roll_caller_.Handle({2}, &context); });
  parts_.host.hub_store.StepAll();
  EXPECT_FALSE(parts_.state.HasCalledRoll(parts_.shard.epoch, 0));
  parts_.host.fibers()->Run([&] { roll_caller_.Handle({1}, &context); });
  parts_.host.hub_store.StepAll();
  EXPECT_TRUE(parts_.state.HasCalledRoll(parts_.shard.epoch, 0));
  const std::vector<Output> outputs = context.TakeOutputs();
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_EQ(outputs[0].kind, DeliveryKind::kRollCall);
  EXPECT_THAT(outputs[1].also_to, ElementsAre(2));
}

}  // namespace
}  // namespace dormouse
