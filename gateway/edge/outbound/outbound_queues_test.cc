#include "gateway/edge/outbound/outbound_queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"

namespace dormouse::edge {
namespace {

using testing::ElementsAre;

class OutboundQueuesTest : public testing::Test {
 protected:
  OutboundQueuesTest() {
    for (size_t i = 0; i < connections_.size(); ++i) connections_[i].handle = i;
  }
  void Wait(size_t connection, size_t bytes) {
    queues_.Open(&connections_[connection])
        ->Push({.body = std::make_shared<SharedBytes>(std::string(bytes, 'x'), &budget_)}, {});
  }
  // Who goes, in order, until so much is free.
  std::vector<uint64_t> Evicted(uint64_t enough = 0) {
    std::vector<uint64_t> evicted;
    queues_.EvictCostliest(
        SteadyMs(), [&] { return budget_.memory <= enough; },
        [&](Connection* connection) {
          evicted.push_back(connection->handle);
          queues_.Remove(connection);
        });
    return evicted;
  }

  OutboundBudget budget_;
  OutboundQueues queues_{&budget_};
  std::array<Connection, 3> connections_;
};

TEST_F(OutboundQueuesTest, ThoseWhoHoldMostGoFirst) {
  Wait(0, 10'000);
  Wait(1, 1'000'000);
  Wait(2, 100'000);
  EXPECT_THAT(Evicted(), ElementsAre(1, 2, 0));
  EXPECT_EQ(budget_.memory, 0u);
}

TEST_F(OutboundQueuesTest, NoneGoesThatNeedNot) {
  Wait(0, 10'000);
  Wait(1, 1'000'000);
  Wait(2, 100'000);
  EXPECT_THAT(Evicted(500'000), ElementsAre(1));
  EXPECT_NE(connections_[0].outbound_queue, nullptr);
  EXPECT_NE(connections_[2].outbound_queue, nullptr);
}

TEST_F(OutboundQueuesTest, AmongEqualsThoseGoWhoWaitForTheOldestBytes) {
  Wait(2, 100'000);
  Wait(0, 100'000);
  Wait(1, 100'000);
  EXPECT_THAT(Evicted(), ElementsAre(2, 0, 1));
}

TEST_F(OutboundQueuesTest, AQueueThatIsRemovedIsForgotten) {
  Wait(0, 10'000);
  Wait(1, 10'000);
  queues_.Remove(&connections_[0]);
  queues_.Remove(&connections_[2]);  // which has none
  EXPECT_THAT(Evicted(), ElementsAre(1));
}

}  // namespace
}  // namespace dormouse::edge
