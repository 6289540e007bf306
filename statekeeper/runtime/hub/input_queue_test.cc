#include "statekeeper/runtime/hub/input_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using testing::ElementsAre;

event::FromGateway Event(EventKind kind, uint64_t sequence) {
  return {.gateway = 1, .sequence = sequence, .kind = kind};
}
event::FromGateway Text(uint64_t sequence) { return Event(EventKind::kText, sequence); }

// Sequence numbers; 100 and the gateway for one that is gone.
std::vector<uint64_t> TakeAll(InputQueue* queue) {
  std::vector<uint64_t> taken;
  while (!queue->empty()) {
    const HubEvent event = queue->Take();
    const auto* const gone = std::get_if<event::GatewayGone>(&event);
    taken.push_back(gone != nullptr ? 100 + gone->gateway : std::get<event::FromGateway>(event).sequence);
  }
  return taken;
}

TEST(InputQueueTest, EventsLeaveInTheOrderOfTheirArrivalButForThoseThatComeFirst) {
  InputQueue queue;
  queue.Add(Text(1));
  queue.Add(Text(2));
  queue.AddFirst(Text(3));
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_THAT(TakeAll(&queue), ElementsAre(3, 1, 2));
}

TEST(InputQueueTest, WhatHappenedWhileTheHubSleptComesBeforeWhatWokeIt) {
  InputQueue queue;
  queue.Add(Text(2));
  EXPECT_FALSE(queue.BeginsWithGoneGateway());
  queue.AddFirst(event::GatewayGone{8});
  queue.AddFirst(event::GatewayGone{7});
  EXPECT_TRUE(queue.BeginsWithGoneGateway());
  queue.AddBehindGoneGateways(Text(1));
  EXPECT_THAT(TakeAll(&queue), ElementsAre(107, 108, 1, 2));
  queue.AddBehindGoneGateways(Text(3));
  EXPECT_THAT(TakeAll(&queue), ElementsAre(3));
}

TEST(InputQueueTest, OneCanBeTakenOutOfItsPlace) {
  InputQueue queue;
  for (uint64_t i = 1; i <= 3; ++i) queue.Add(Text(i));
  const auto is_second = [](const HubEvent& event) {
    return std::get<event::FromGateway>(event).sequence == 2;
  };
  ASSERT_NE(queue.Find(is_second), nullptr);
  ASSERT_TRUE(queue.Extract(is_second).has_value());
  EXPECT_EQ(queue.Find(is_second), nullptr);
  EXPECT_FALSE(queue.Extract(is_second).has_value());
  EXPECT_THAT(TakeAll(&queue), ElementsAre(1, 3));
}

TEST(InputQueueTest, WhatComesBackDoesNotOvertakeWhatLiesAside) {
  InputQueue queue;
  const HubEvent end = event::Recalled{};
  EXPECT_FALSE(queue.MustWaitAside(end)) << "nothing lies there";
  queue.SetAside(Event(EventKind::kUndelivered, 1));
  EXPECT_FALSE(queue.IsIdle());
  for (const EventKind kind : {EventKind::kUndelivered, EventKind::kUnconfirmed, EventKind::kLost})
    EXPECT_TRUE(queue.MustWaitAside(Event(kind, 2)));
  EXPECT_TRUE(queue.MustWaitAside(end));
  EXPECT_FALSE(queue.MustWaitAside(Text(2)));
  EXPECT_FALSE(queue.MustWaitAside(event::Confirmed{}));
  EXPECT_EQ(queue.TakeAside().size(), 1u);
  EXPECT_TRUE(queue.IsIdle());
}

TEST(InputQueueTest, BytesAreThoseOfTheEventsThatWait) {
  InputQueue queue;
  EXPECT_EQ(queue.bytes(), 0u);
  queue.Add(Returned({}, std::string(1000, 'x')));
  queue.Add(event::CloseAll{});
  EXPECT_GE(queue.bytes(), 2 * sizeof(HubEvent) + 1000);
  queue.Clear();
  EXPECT_EQ(queue.bytes(), 0u);
}

}  // namespace
}  // namespace dormouse
