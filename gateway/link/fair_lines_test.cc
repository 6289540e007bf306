#include "gateway/link/fair_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace dormouse {
namespace {

void Append(FairLines* lines, uint64_t connection, const std::string& payload, ShardId shard = 1) {
  lines->Append({.shard = shard, .connection = connection, .hub = "echo/a", .payload = payload});
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

TEST(FairLinesTest, AConnectionCanLeaveOutOfTurn) {
  FairLines lines;
  Append(&lines, 1, "first");
  Append(&lines, 2, "other");
  Append(&lines, 1, "second");
  const std::deque<FairLines::Waiting> taken = lines.Take(1);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].view().payload, "first");
  EXPECT_EQ(taken[1].view().payload, "second");
  EXPECT_TRUE(lines.Take(1).empty());
  Append(&lines, 1, "third");
  EXPECT_EQ(lines.Next().view().payload, "other");
  EXPECT_EQ(lines.Next().view().payload, "third");
  EXPECT_TRUE(lines.empty());
}

TEST(FairLinesTest, LinesOfAShardMove) {
  FairLines from, to;
  Append(&from, 1, "a", 7);
  Append(&from, 2, "b", 8);
  Append(&from, 3, "c", 7);
  Append(&to, 4, "d", 9);
  from.Move(7, &to);
  EXPECT_EQ(from.Next().view().payload, "b");
  EXPECT_TRUE(from.empty());
  std::vector<std::string> moved;
  while (!to.empty()) moved.emplace_back(to.Next().view().payload);
  std::ranges::sort(moved);
  EXPECT_EQ(moved, (std::vector<std::string>{"a", "c", "d"}));
}

}  // namespace
}  // namespace dormouse
