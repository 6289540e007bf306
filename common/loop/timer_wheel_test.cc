#include "common/loop/timer_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

namespace dormouse {
namespace {

constexpr int64_t kTick = 10;

std::vector<TimerNode*> Expired(TimerWheel* wheel, int64_t now_ms) {
  std::vector<TimerNode*> out;
  wheel->Advance(now_ms, [&](TimerNode* node) { out.push_back(node); });
  return out;
}

TEST(TimerWheel, FiresAtTheDeadlineAndNotBefore) {
  TimerWheel wheel(kTick, 64, 1000);
  TimerNode node;
  wheel.Schedule(&node, 1055);
  EXPECT_THAT(Expired(&wheel, 1054), testing::IsEmpty());
  EXPECT_TRUE(node.armed());
  EXPECT_THAT(Expired(&wheel, 1060), testing::ElementsAre(&node));
  EXPECT_FALSE(node.armed());
  EXPECT_THAT(Expired(&wheel, 5000), testing::IsEmpty());
}

TEST(TimerWheel, APastDeadlineFiresAtTheNextTick) {
  TimerWheel wheel(kTick, 64, 1000);
  TimerNode node;
  wheel.Schedule(&node, 3);
  EXPECT_THAT(Expired(&wheel, 1010), testing::ElementsAre(&node));
}

TEST(TimerWheel, ACancelledNodeDoesNotFire) {
  TimerWheel wheel(kTick, 64, 0);
  TimerNode a;
  TimerNode b;
  wheel.Schedule(&a, 50);
  wheel.Schedule(&b, 50);
  TimerWheel::Cancel(&a);
  EXPECT_THAT(Expired(&wheel, 100), testing::ElementsAre(&b));
}

TEST(TimerWheel, ADeadlineBeyondOneRevolutionIsKept) {
  TimerWheel wheel(kTick, 16, 0);  // a revolution is 160 ms
  TimerNode node;
  wheel.Schedule(&node, 1000);
  for (int64_t now = 0; now < 1000; now += 7) EXPECT_THAT(Expired(&wheel, now), testing::IsEmpty()) << now;
  EXPECT_THAT(Expired(&wheel, 1000), testing::ElementsAre(&node));
}

TEST(TimerWheel, ALongPauseMissesNothing) {
  TimerWheel wheel(kTick, 16, 0);
  std::vector<TimerNode> nodes(40);
  for (size_t i = 0; i < nodes.size(); ++i) wheel.Schedule(&nodes[i], static_cast<int64_t>(i * 25));
  EXPECT_EQ(Expired(&wheel, 1'000'000).size(), nodes.size());
  EXPECT_EQ(wheel.NextMs(), std::nullopt);
}

TEST(TimerWheel, ExpireMayScheduleAndCancelOthersOfTheSameSlot) {
  TimerWheel wheel(kTick, 16, 0);
  TimerNode a;
  TimerNode b;
  wheel.Schedule(&a, 50);
  wheel.Schedule(&b, 50);
  int calls = 0;
  wheel.Advance(60, [&](TimerNode* node) {
    ++calls;
    TimerWheel::Cancel(node == &a ? &b : &a);
    wheel.Schedule(node, 60 + 160);  // the same slot, a revolution later
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Expired(&wheel, 230).size(), 1u);
}

TEST(TimerWheel, NextMsIsNeverAfterTheFirstDeadline) {
  TimerWheel wheel(kTick, 16, 0);
  EXPECT_EQ(wheel.NextMs(), std::nullopt);
  TimerNode near;
  TimerNode far;
  wheel.Schedule(&far, 100'000);
  EXPECT_LE(*wheel.NextMs(), 100'000);
  wheel.Schedule(&near, 95);
  EXPECT_EQ(*wheel.NextMs(), 100);
}

TEST(TimerWheel, RandomDeadlinesFireOnceEachAndOnTime) {
  std::mt19937 random(1);
  TimerWheel wheel(kTick, 64, 0);
  std::vector<TimerNode> nodes(2000);
  for (TimerNode& node : nodes) wheel.Schedule(&node, random() % 5000);
  std::set<TimerNode*> fired;
  for (int64_t now = 0; now <= 5010; now += 1 + random() % 30) {
    wheel.Advance(now, [&](TimerNode* node) {
      EXPECT_LE(node->due_ms, now);
      EXPECT_GT(node->due_ms + kTick + 31, now);
      EXPECT_TRUE(fired.insert(node).second);
    });
  }
  Expired(&wheel, 6000);
  for (const TimerNode& node : nodes) EXPECT_FALSE(node.armed());
}

}  // namespace
}  // namespace dormouse
