#include "statekeeper/runtime/lane/waiting_room.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "statekeeper/runtime/hub/awake_hub.h"

namespace dormouse {
namespace {

constexpr ShardEpoch kShard{3, 7};
constexpr WaitingRoom::Open kOpen{.room = true, .suspects = true};

event::FromGateway Event(uint64_t sequence, bool repeated = false) {
  return {.gateway = 1, .sequence = sequence, .payload = std::string(100, 'x'), .repeated = repeated};
}
uint64_t SequenceOf(const HubEvent& event) { return std::get<event::FromGateway>(event).sequence; }

TEST(WaitingRoomTest, AHubWaitsOnceAndItsEventsInOrder) {
  WaitingRoom room;
  room.Add("echo/a", kShard, Event(1));
  room.Add("echo/b", kShard, Event(2));
  room.Add("echo/c", kShard, Event(2));
  room.Add("echo/a", kShard, Event(3));
  HubEvent next = Event(4);
  EXPECT_TRUE(room.Append("echo/a", kShard, &next));
  EXPECT_FALSE(room.Append("echo/d", kShard, &next));
  EXPECT_TRUE(room.Has("echo/b", kShard));
  EXPECT_EQ(room.size(), 3u);
  const WaitingRoom::Waiter first = room.Next(kOpen);
  EXPECT_EQ(first.name, "echo/a");
  ASSERT_EQ(first.events.size(), 3u);
  EXPECT_EQ(SequenceOf(first.events[1]), 3u);
  EXPECT_EQ(SequenceOf(first.events[2]), 4u);
  EXPECT_FALSE(room.Has("echo/a", kShard));
  EXPECT_EQ(room.Next(kOpen).name, "echo/c");
  EXPECT_EQ(room.Next(kOpen).name, "echo/b");
  EXPECT_TRUE(room.empty());
  EXPECT_EQ(room.bytes(), 0u);
}

TEST(WaitingRoomTest, WhatIsNewDoesNotWaitForAllThatIsReplayedNorForAlarms) {
  WaitingRoom room;
  for (uint64_t i = 0; i < 100; ++i) {
    room.Add("echo/replayed" + std::to_string(i), kShard, Event(i + 1, true));
    room.Add("echo/alarm" + std::to_string(i), kShard, event::AlarmDue{});
  }
  room.Add("echo/new", kShard, Event(1));
  std::vector<std::string> turns;
  for (int i = 0; i < 3; ++i) turns.push_back(room.Next(kOpen).name);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "echo/new"), 1);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "echo/replayed0"), 1);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "echo/alarm0"), 1);
}

TEST(WaitingRoomTest, ByTurnsTheNewestAndTheOldestAreLetIn) {
  WaitingRoom room;
  for (uint64_t i = 0; i < 1000; ++i) room.Add("echo/storm" + std::to_string(i), kShard, Event(i + 1));
  room.Add("echo/new", kShard, Event(1));
  std::vector<std::string> turns;
  for (int i = 0; i < 4; ++i) turns.push_back(room.Next(kOpen).name);
  EXPECT_EQ(turns, (std::vector<std::string>{"echo/storm0", "echo/new", "echo/storm1", "echo/storm999"}));
}

// However many come between two turns.
TEST(WaitingRoomTest, TheNewestHaveTheirTurnsWhileTheStormLasts) {
  for (const uint64_t between : {1, 2, 3}) {
    WaitingRoom room;
    for (uint64_t i = 0; i < 1001; ++i) room.Add("echo/storm" + std::to_string(i), kShard, Event(i + 1));
    size_t newest = 0;
    for (uint64_t turn = 0; turn < 100; ++turn) {
      for (uint64_t i = 0; i < between; ++i)
        room.Add("echo/late" + std::to_string(turn * between + i), kShard, Event(1));
      newest += room.Next(kOpen).name == "echo/late" + std::to_string(turn * between + between - 1) ? 1 : 0;
    }
    EXPECT_EQ(newest, 50u) << between;
  }
}

TEST(WaitingRoomTest, WhoComesDoesNotWaitForAllThatSpeak) {
  WaitingRoom room;
  for (uint64_t i = 0; i < 100; ++i) room.Add("echo/storm" + std::to_string(i), kShard, Event(i + 1));
  event::FromGateway open = Event(1);
  open.kind = EventKind::kOpen;
  room.Add("echo/newcomer", kShard, open);
  for (uint64_t i = 0; i < 100; ++i) room.Add("echo/late" + std::to_string(i), kShard, Event(i + 1));
  std::vector<std::string> turns;
  for (int i = 0; i < 2; ++i) turns.push_back(room.Next(kOpen).name);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), "echo/newcomer"), 1);
}

TEST(WaitingRoomTest, WithoutRoomNobodyThatNeedsItHasATurn) {
  WaitingRoom room;
  room.Add("echo/a", kShard, Event(1));
  EXPECT_FALSE(room.HasNext({}));
  EXPECT_TRUE(room.HasNext(kOpen));
  EXPECT_NE(room.OldestMs(), 0);
  EXPECT_EQ(room.TakeOldest().name, "echo/a");
  EXPECT_EQ(room.OldestMs(), 0);
}

TEST(WaitingRoomTest, SuspectsWaitUntilTheirLineIsOpen) {
  WaitingRoom room;
  event::FromGateway suspect = Event(1, true);
  suspect.attempts = 3;
  room.Add("echo/a", kShard, suspect);
  EXPECT_FALSE(room.HasNext({.room = true, .suspects = false}));
  room.Add("echo/b", kShard, Event(2));
  EXPECT_EQ(room.Next({.room = true, .suspects = false}).name, "echo/b");
  EXPECT_EQ(room.Next(kOpen).name, "echo/a");
}

TEST(WaitingRoomTest, EventsOfAnEpochThatIsOverAreNotMixedWithThoseOfTheNext) {
  WaitingRoom room;
  room.Add("echo/a", kShard, Event(1));
  room.Add("echo/a", {3, 8}, Event(2));
  EXPECT_FALSE(room.Has("echo/a", kShard));
  EXPECT_TRUE(room.Has("echo/a", {3, 8}));
  EXPECT_EQ(SequenceOf(room.Next(kOpen).events.at(0)), 1u);
  EXPECT_TRUE(room.Has("echo/a", {3, 8}));
  EXPECT_EQ(SequenceOf(room.Next(kOpen).events.at(0)), 2u);
  EXPECT_FALSE(room.Has("echo/a", {3, 8}));
  EXPECT_EQ(room.bytes(), 0u);
}

TEST(WaitingRoomTest, AShardsSleepersCanBeTakenOut) {
  WaitingRoom room;
  room.Add("echo/a", kShard, Event(1));
  room.Add("echo/b", {4, 7}, Event(2));
  room.Add("echo/c", kShard, Event(3, true));
  const std::vector<WaitingRoom::Waiter> out = room.Extract({kShard});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].name, "echo/a");
  EXPECT_EQ(out[1].name, "echo/c");
  EXPECT_FALSE(room.Has("echo/a", kShard));
  EXPECT_EQ(room.size(), 1u);
}

}  // namespace
}  // namespace dormouse
