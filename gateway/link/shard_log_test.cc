#include "gateway/link/shard_log.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace dormouse {
namespace {

size_t Append(ShardLog* log, const std::string& payload, uint32_t epoch = 1) {
  return log->Append(
      {.kind = EventKind::kText, .shard = 5, .epoch = epoch, .hub = "echo/a", .payload = payload});
}

// The bytes that were freed.
size_t Settle(ShardLog* log, uint64_t first, uint64_t last) {
  return log->Settle(first, last, [](const EventView&) {});
}

std::string Bytes(const EventBatch& batch) {
  std::string bytes;
  for (const std::string_view part : batch.parts()) bytes += part;
  return bytes;
}

// The (sequence, payload) pairs that TakeUnsent yields.
std::vector<std::pair<uint64_t, std::string>> Unsent(ShardLog* log, uint32_t* epoch = nullptr) {
  EventBatch batch;
  log->TakeUnsent(1u << 20, &batch);
  std::vector<std::pair<uint64_t, std::string>> events;
  const std::string bytes = Bytes(batch);
  std::string_view rest = bytes;
  EventView event;
  while (ReadEvent(&rest, &event)) {
    events.emplace_back(event.sequence, event.payload);
    if (epoch != nullptr) *epoch = event.epoch;
  }
  EXPECT_TRUE(rest.empty());
  return events;
}

using Events = std::vector<std::pair<uint64_t, std::string>>;

TEST(ShardLogTest, EventsAreTakenOnceInOrderUntilRewound) {
  ShardLog log;
  Append(&log, "a");
  Append(&log, "b");
  EXPECT_EQ(Unsent(&log), (Events{{1, "a"}, {2, "b"}}));
  EXPECT_FALSE(log.has_unsent());
  Append(&log, "c");
  EXPECT_EQ(Unsent(&log), (Events{{3, "c"}}));
  Settle(&log, 2, 2);
  log.Rewind(9, false);
  uint32_t epoch = 0;
  EXPECT_EQ(Unsent(&log, &epoch), (Events{{1, "a"}, {3, "c"}}));
  EXPECT_EQ(epoch, 9u);
}

TEST(ShardLogTest, KnowsWhereEventsLieInWhatWasSent) {
  ShardLog log;
  for (int i = 0; i < 3; ++i) Append(&log, "abc");
  EventBatch batch;
  batch.Append("before");
  constexpr uint32_t kNearlyWrapped = 0xffffffc0;
  log.TakeUnsent(1u << 20, &batch, kNearlyWrapped);
  Append(&log, "unsent");
  const uint32_t record = static_cast<uint32_t>(batch.size() - 6) / 3;
  const uint32_t begin = kNearlyWrapped + 6;
  EXPECT_EQ(log.PositionOf(1), begin + record);
  EXPECT_EQ(log.PositionOf(3), begin + 3 * record);
  EXPECT_EQ(log.PositionOf(4), std::nullopt);
  EXPECT_EQ(log.EndingAfter(begin), 1u);
  EXPECT_EQ(log.EndingAfter(begin + record), 2u);
  Settle(&log, 2, 2);
  EXPECT_EQ(log.PositionOf(2), std::nullopt);
  EXPECT_EQ(log.EndingAfter(begin + record), 3u);
  EXPECT_EQ(log.EndingAfter(begin + 3 * record), std::nullopt);
  log.Rewind(2, true);
  EXPECT_EQ(log.PositionOf(1), std::nullopt);
  EXPECT_EQ(log.EndingAfter(begin), std::nullopt);
}

TEST(ShardLogTest, AnEndThatEventsShareIsKeptOnceAndSentWithEach) {
  ShardLog log;
  const auto bytes = std::make_shared<const std::string>(" and so on");
  const auto append = [&](const std::string& payload, bool counts) {
    return log.Append({.kind = EventKind::kUndelivered, .hub = "echo/a", .payload = payload},
                      {.bytes = {bytes, bytes->data()}, .size = bytes->size(), .counts = counts});
  };
  const size_t first = append("a", true);
  Append(&log, "between");
  const size_t second = append("b", false);
  EXPECT_EQ(first, second + bytes->size());
  EXPECT_EQ(bytes.use_count(), 3);
  const Events all{{1, "a and so on"}, {2, "between"}, {3, "b and so on"}};
  EXPECT_EQ(Unsent(&log), all);
  log.Rewind(2, true);
  EXPECT_EQ(Unsent(&log), all);
  EXPECT_EQ(Settle(&log, 1, 1), first);
  log.Rewind(3, true);
  EXPECT_EQ(Unsent(&log), (Events{{2, "between"}, {3, "b and so on"}}));
  Settle(&log, 2, 3);
  EXPECT_EQ(log.unsettled_bytes(), 0u);
  EXPECT_EQ(bytes.use_count(), 1);
}

TEST(ShardLogTest, WhatWasEverSentIsMarkedForWhoeverDoesNotKnowIt) {
  ShardLog log;
  Append(&log, "a");
  Append(&log, "b");
  Unsent(&log);
  EXPECT_EQ(log.sent_through(), 2u);
  Append(&log, "c");
  Settle(&log, 1, 1);
  const auto repeated = [&] {
    EventBatch batch;
    log.TakeUnsent(1 << 20, &batch);
    std::string out;
    const std::string bytes = Bytes(batch);
    std::string_view rest = bytes;
    for (EventView event; ReadEvent(&rest, &event);) {
      out.append(event.payload).append(event.repeated ? "! " : " ");
    }
    return out;
  };
  log.Rewind(1, false);  // the same lane resumes
  EXPECT_EQ(log.sent_through(), 1u);
  log.Rewind(2, true);  // before it was sent again, the shard moves
  EXPECT_EQ(repeated(), "b! c ");
  log.Rewind(2, false);
  EXPECT_EQ(repeated(), "b! c ");
  log.Rewind(3, true);
  EXPECT_EQ(repeated(), "b! c! ");
}

TEST(ShardLogTest, TakingStopsAtTheSizeAndGoesOnThere) {
  ShardLog log;
  for (int i = 0; i < 10; ++i) Append(&log, std::string(100, 'x'));
  EventBatch batch;
  log.TakeUnsent(250, &batch);
  EXPECT_TRUE(log.has_unsent());
  EXPECT_EQ(Unsent(&log).front().first, 3u);
}

TEST(ShardLogTest, EachEventIsSettledOnce) {
  ShardLog log;
  for (const char* payload : {"a", "b", "c"}) Append(&log, payload);
  std::vector<std::string> settled;
  const auto note = [&](const EventView& event) {
    EXPECT_EQ(event.hub, "echo/a");
    settled.emplace_back(event.payload);
  };
  log.Settle(2, 2, note);
  log.Rewind(2, true);
  log.Settle(1, 2, note);
  log.Settle(1, 9, note);
  EXPECT_EQ(settled, (std::vector<std::string>{"b", "a", "c"}));
}

TEST(ShardLogTest, DeliveriesAreAdmittedOncePerIndexUntilTheCauseIsSettled) {
  ShardLog log;
  Append(&log, "a");
  EXPECT_EQ(log.AcceptOnce(1, 0), ShardLog::Verdict::kDeliver);
  EXPECT_EQ(log.AcceptOnce(1, 0), ShardLog::Verdict::kSeen);
  EXPECT_EQ(log.AcceptOnce(1, 1), ShardLog::Verdict::kDeliver);
  EXPECT_EQ(log.AcceptOnce(2, 0), ShardLog::Verdict::kUnknown);
  Append(&log, "b");
  Settle(&log, 1, 1);
  EXPECT_EQ(log.AcceptOnce(1, 2), ShardLog::Verdict::kSeen);
  Settle(&log, 2, 2);
  EXPECT_EQ(log.AcceptOnce(2, 0), ShardLog::Verdict::kSeen);
}

TEST(ShardLogTest, SettlingInAnyOrderFreesEveryByte) {
  ShardLog log;
  std::map<uint64_t, size_t> open;
  std::mt19937 random(7);
  size_t bytes = 0;
  uint64_t next = 1;
  for (int round = 0; round < 20'000; ++round) {
    if (open.size() < 300 && random() % 2 == 0) {
      const size_t size = Append(&log, std::string(random() % 100, 'p'));
      bytes += size;
      open[next++] = size;
    } else if (!open.empty()) {
      auto it = open.begin();
      std::advance(it, random() % open.size());
      EXPECT_EQ(Settle(&log, it->first, it->first), it->second);
      EXPECT_EQ(Settle(&log, it->first, it->first), 0u);
      bytes -= it->second;
      open.erase(it);
    }
    ASSERT_EQ(log.unsettled(), open.size());
    ASSERT_EQ(log.unsettled_bytes(), bytes);
    ASSERT_EQ(log.last_sequence(), next - 1);
  }
  log.Rewind(1, false);
  Events expected;
  const Events unsent = Unsent(&log);
  ASSERT_EQ(unsent.size(), open.size());
  auto it = open.begin();
  for (const auto& [sequence, payload] : unsent) EXPECT_EQ(sequence, (it++)->first);
  Settle(&log, 1, next);
  EXPECT_EQ(log.unsettled_bytes(), 0u);
}

}  // namespace
}  // namespace dormouse
