#include "statekeeper/runtime/hub/lost_events.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace dormouse {
namespace {

event::FromGateway Message(uint8_t restarts = 0) { return {.sequence = 1, .restarts = restarts}; }

class LostEventsTest : public testing::Test {
 protected:
  std::vector<LostEvent> Lose(bool at_fault, uint32_t max_attempts = 3) {
    return LoseDeferred(&deferred_, at_fault, max_attempts);
  }
  DeferredEvents deferred_;
};

TEST_F(LostEventsTest, ComeAgainInTheOrderInWhichTheyBegan) {
  deferred_.Add(7, Message());
  deferred_.Add(2, Message());
  const std::vector<LostEvent> lost = Lose(false);
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].number, 2u);
  EXPECT_EQ(lost[1].number, 7u);
  for (const LostEvent& each : lost) {
    EXPECT_TRUE(std::get<event::FromGateway>(each.event).repeated);
    EXPECT_EQ(RestartsOf(each.event), 0u) << "none of them was to blame";
  }
  EXPECT_TRUE(deferred_.empty());
}

TEST_F(LostEventsTest, OnlyTheOldestReachesItsLastAttempt) {
  deferred_.Add(1, Message(2));
  deferred_.Add(2, Message(2));
  deferred_.Add(3, Message(0));
  const std::vector<LostEvent> lost = Lose(true);
  EXPECT_EQ(RestartsOf(lost.at(0).event), 3u);
  EXPECT_EQ(RestartsOf(lost.at(1).event), 2u);
  EXPECT_EQ(RestartsOf(lost.at(2).event), 1u);
}

}  // namespace
}  // namespace dormouse
