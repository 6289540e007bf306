#include "gateway/link/fair_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace dormouse {
namespace {

void Append(FairLines* lines, uint64_t connection, const std::string& payload, ShardId shard = 1) {
  lines->Append({.shard = shard, .connection = connection, .hub = "echo/a", .payload = payload});
}

SharedTail TailOf(const std::string& bytes, bool counts) {
  const auto shared = std::make_shared<std::string>(bytes);
  return {.bytes = {shared, shared->data()}, .size = shared->size(), .counts = counts};
}

std::string Large(char of) { return std::string(FairLines::kTurnBytes * 10, of); }

TEST(FairLinesTest, AConnectionsEventsStayInOrder) {
  FairLines lines;
  for (int i = 0; i < 100; ++i) Append(&lines, 1, std::to_string(i) + (i % 7 == 0 ? Large('x') : ""));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(lines.Has(1));
    const FairLines::Waiting next = lines.Next();
    EXPECT_EQ(next.view().payload.substr(0, std::to_string(i).size()), std::to_string(i));
    EXPECT_EQ(next.view().hub, "echo/a");
  }
  EXPECT_TRUE(lines.empty());
}

TEST(FairLinesTest, WhoSendsLittleDoesNotWaitBehindWhoSendsMuch) {
  FairLines lines;
  for (uint64_t greedy = 1; greedy <= 20; ++greedy) {
    for (int i = 0; i < 3; ++i) Append(&lines, greedy, Large('x'));
  }
  for (int i = 0; i < 10; ++i) lines.Next();
  Append(&lines, 1000, "small");
  bool found = false;
  for (int i = 0; i < 2; ++i) found |= lines.Next().event.connection == 1000;
  EXPECT_TRUE(found);
}

TEST(FairLinesTest, LinesGetTheSameNumberOfBytes) {
  FairLines lines;
  for (int i = 0; i < 20; ++i) Append(&lines, 1, Large('x'));
  for (int i = 0; i < 2000; ++i) Append(&lines, 2, std::string(FairLines::kTurnBytes / 10, 'y'));
  size_t bytes[3] = {};
  for (int i = 0; i < 800; ++i) {
    const FairLines::Waiting next = lines.Next();
    bytes[next.event.connection] += next.bytes();
  }
  EXPECT_NEAR(static_cast<double>(bytes[1]), static_cast<double>(bytes[2]), 2.0 * Large('x').size());
}

// Lines that form again and again are not served alone.
TEST(FairLinesTest, WhatHasWaitedIsNotStarvedByNewLines) {
  FairLines lines;
  Append(&lines, 1, Large('x'));
  lines.Append({.shard = 1, .connection = 2, .hub = "echo/a", .payload = "small"});
  bool served = false;
  for (uint64_t fresh = 3; fresh < 100 && !served; ++fresh) {
    Append(&lines, fresh, "small");
    served = lines.Next().event.connection == 1;
  }
  EXPECT_TRUE(served);
}

TEST(FairLinesTest, AShareOfBytesThatOthersHaveCostsItsTurnToo) {
  FairLines lines;
  const std::string much = Large('x');
  for (int i = 0; i < 3; ++i) {
    const EventView event{.shard = 1, .connection = 1, .hub = "echo/a", .payload = "head"};
    EXPECT_LT(lines.Append(event, TailOf(much, false)), much.size());
  }
  Append(&lines, 2, "small");
  EXPECT_EQ(lines.Next().event.connection, 2u);
}

TEST(FairLinesTest, KnowsBeforeWhichBatchWhatComesBackMustGo) {
  FairLines lines, other;
  EXPECT_FALSE(lines.first_before());
  const auto give_back = [&](uint64_t connection, ShardId shard, uint64_t before) {
    const EventView event{.kind = EventKind::kUndelivered,
                          .shard = shard,
                          .connection = connection,
                          .hub = "echo/a",
                          .payload = "frame"};
    lines.Append(event, {}, before);
  };
  Append(&lines, 1, "frame");
  EXPECT_FALSE(lines.first_before());
  give_back(1, 1, 5);
  give_back(2, 2, 5);
  give_back(3, 1, 7);
  EXPECT_EQ(lines.first_before(), 5u);
  lines.Move(1, &other, 3);
  EXPECT_EQ(lines.first_before(), 5u);
  EXPECT_EQ(other.first_before(), 3u);
  lines.Next();
  EXPECT_FALSE(lines.first_before());
  other.Renumber(9);
  EXPECT_EQ(other.first_before(), 9u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(other.first_before(), 9u);
    const FairLines::Waiting next = other.Next();
    EXPECT_EQ(next.before, IsReturn(next.event.kind) ? 9u : 0u);
  }
  EXPECT_FALSE(other.first_before());
}

TEST(FairLinesTest, LinesOfAShardMove) {
  FairLines from, to;
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
