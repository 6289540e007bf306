#include "gateway/link/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace dormouse {
namespace {

void Append(FairQueue* queue, uint64_t connection, const std::string& payload, ShardId shard = 1) {
  queue->Append({.shard = shard, .connection = connection, .hub = "echo/a", .payload = payload});
}

SharedTail TailOf(const std::string& bytes, bool counts) {
  const auto shared = std::make_shared<std::string>(bytes);
  return {.bytes = {shared, shared->data()}, .size = shared->size(), .counts = counts};
}

std::string Large(char of) { return std::string(FairQueue::kTurnBytes * 10, of); }

TEST(FairQueueTest, AConnectionsEventsStayInOrder) {
  FairQueue queue;
  for (int i = 0; i < 100; ++i) Append(&queue, 1, std::to_string(i) + (i % 7 == 0 ? Large('x') : ""));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(queue.Has(1));
    const FairQueue::Waiting next = queue.Next();
    EXPECT_EQ(next.view().payload.substr(0, std::to_string(i).size()), std::to_string(i));
    EXPECT_EQ(next.view().hub, "echo/a");
  }
  EXPECT_TRUE(queue.empty());
}

TEST(FairQueueTest, WhoSendsLittleDoesNotWaitBehindWhoSendsMuch) {
  FairQueue queue;
  for (uint64_t greedy = 1; greedy <= 20; ++greedy) {
    for (int i = 0; i < 3; ++i) Append(&queue, greedy, Large('x'));
  }
  for (int i = 0; i < 10; ++i) queue.Next();
  Append(&queue, 1000, "small");
  bool found = false;
  for (int i = 0; i < 2; ++i) found |= queue.Next().event.connection == 1000;
  EXPECT_TRUE(found);
}

TEST(FairQueueTest, FlowsGetTheSameNumberOfBytes) {
  FairQueue queue;
  for (int i = 0; i < 20; ++i) Append(&queue, 1, Large('x'));
  for (int i = 0; i < 2000; ++i) Append(&queue, 2, std::string(FairQueue::kTurnBytes / 10, 'y'));
  size_t bytes[3] = {};
  for (int i = 0; i < 800; ++i) {
    const FairQueue::Waiting next = queue.Next();
    bytes[next.event.connection] += next.bytes();
  }
  EXPECT_NEAR(static_cast<double>(bytes[1]), static_cast<double>(bytes[2]), 2.0 * Large('x').size());
}

// Flows that form again and again are not served alone.
TEST(FairQueueTest, WhatHasWaitedIsNotStarvedByNewFlows) {
  FairQueue queue;
  Append(&queue, 1, Large('x'));
  queue.Append({.shard = 1, .connection = 2, .hub = "echo/a", .payload = "small"});
  bool served = false;
  for (uint64_t fresh = 3; fresh < 100 && !served; ++fresh) {
    Append(&queue, fresh, "small");
    served = queue.Next().event.connection == 1;
  }
  EXPECT_TRUE(served);
}

TEST(FairQueueTest, AShareOfBytesThatOthersHaveCostsItsTurnToo) {
  FairQueue queue;
  const std::string much = Large('x');
  for (int i = 0; i < 3; ++i) {
    const EventView event{.shard = 1, .connection = 1, .hub = "echo/a", .payload = "head"};
    EXPECT_LT(queue.Append(event, TailOf(much, false)), much.size());
  }
  Append(&queue, 2, "small");
  EXPECT_EQ(queue.Next().event.connection, 2u);
}

TEST(FairQueueTest, KnowsBeforeWhichBatchWhatComesBackMustGo) {
  FairQueue queue, other;
  EXPECT_FALSE(queue.first_before());
  const auto give_back = [&](uint64_t connection, ShardId shard, uint64_t before) {
    const EventView event{.kind = EventKind::kUndelivered,
                          .shard = shard,
                          .connection = connection,
                          .hub = "echo/a",
                          .payload = "frame"};
    queue.Append(event, {}, before);
  };
  Append(&queue, 1, "frame");
  EXPECT_FALSE(queue.first_before());
  give_back(1, 1, 5);
  give_back(2, 2, 5);
  give_back(3, 1, 7);
  EXPECT_EQ(queue.first_before(), 5u);
  queue.Move(1, &other, 3);
  EXPECT_EQ(queue.first_before(), 5u);
  EXPECT_EQ(other.first_before(), 3u);
  queue.Next();
  EXPECT_FALSE(queue.first_before());
  other.Renumber(9);
  EXPECT_EQ(other.first_before(), 9u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(other.first_before(), 9u);
    const FairQueue::Waiting next = other.Next();
    EXPECT_EQ(next.before, IsReturn(next.event.kind) ? 9u : 0u);
  }
  EXPECT_FALSE(other.first_before());
}

TEST(FairQueueTest, FlowsOfAShardMove) {
  FairQueue from, to;
  Append(&from, 1, "a", 7);
  Append(&from, 2, "b", 8);
  Append(&from, 3, "c", 7);
  Append(&to, 4, "d", 9);
  from.Move(7, &to, 0);
  EXPECT_EQ(from.Next().view().payload, "b");
  EXPECT_TRUE(from.empty());
  std::vector<std::string> moved;
  while (!to.empty()) moved.emplace_back(to.Next().view().payload);
  std::ranges::sort(moved);
  EXPECT_EQ(moved, (std::vector<std::string>{"a", "c", "d"}));
}

}  // namespace
}  // namespace dormouse
