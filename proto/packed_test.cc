#include "proto/packed.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace dormouse {
namespace {

std::string TwoEvents() {
  std::string batch;
  AppendEvent({.kind = EventKind::kOpen,
               .shard = 7,
               .epoch = 3,
               .sequence = 1,
               .connection = 42,
               .last_seen_ms = 1000,
               .hub = "echo/test-room",
               .payload = "p"},
              &batch);
  AppendEvent({.kind = EventKind::kClose,
               .shard = 65535,
               .sequence = 1ull << 60,
               .connection = ~0ull,
               .last_seen_ms = -1,
               .hub = "signal/x",
               .payload = ClosePayload(1001, "bye", /*by_client=*/true)},
              &batch);
  return batch;
}

TEST(PackedTest, EventsRoundTrip) {
  const std::string batch = TwoEvents();
  std::string_view rest = batch;
  EventView event;
  ASSERT_TRUE(ReadEvent(&rest, &event));
  EXPECT_EQ(event.kind, EventKind::kOpen);
  EXPECT_EQ(event.shard, 7);
  EXPECT_EQ(event.epoch, 3u);
  EXPECT_EQ(event.sequence, 1u);
  EXPECT_EQ(event.connection, 42u);
  EXPECT_EQ(event.last_seen_ms, 1000);
  EXPECT_EQ(event.hub, "echo/test-room");
  EXPECT_EQ(event.payload, "p");
  ASSERT_TRUE(ReadEvent(&rest, &event));
  EXPECT_EQ(event.connection, ~0ull);
  CloseView close;
  ASSERT_TRUE(ReadClosePayload(event.payload, &close));
  EXPECT_EQ(close.code, 1001);
  EXPECT_TRUE(close.by_client);
  EXPECT_EQ(close.reason, "bye");
  EXPECT_TRUE(rest.empty());
}

TEST(PackedTest, AnEventCanBeMarkedAsRepeatedInPlace) {
  std::string batch = TwoEvents();
  SetEventRepeated(batch.data());
  std::string again;
  std::string_view rest = batch;
  EventView event;
  ASSERT_TRUE(ReadEvent(&rest, &event));
  EXPECT_TRUE(event.repeated);
  EXPECT_EQ(event.payload, "p");
  AppendEvent(event, &again);
  EXPECT_EQ(again, batch.substr(0, again.size()));
  ASSERT_TRUE(ReadEvent(&rest, &event));
  EXPECT_FALSE(event.repeated);
}

TEST(PackedTest, AnEventsEpochCanBeChangedInPlace) {
  std::string batch = TwoEvents();
  SetEventEpoch(77, batch.data());
  std::string_view rest = batch;
  EventView event;
  ASSERT_TRUE(ReadEvent(&rest, &event));
  EXPECT_EQ(event.epoch, 77u);
  EXPECT_EQ(event.shard, 7);
  EXPECT_EQ(event.sequence, 1u);
}

std::string Delivery(bool heads) {
  std::string batch;
  const std::vector<Recipient> recipients = {{1, "a"}, {2, "bcd"}, {3, ""}};
  AppendDelivery({.kind = DeliveryKind::kBinary,
                  .final = true,
                  .shard = 3,
                  .epoch = 9,
                  .cause = {.gateway = 5, .shard = 3, .sequence = 77},
                  .index = 2,
                  .recipients = recipients,
                  .has_heads = heads,
                  .payload = "shared"},
                 &batch);
  return batch;
}

TEST(PackedTest, DeliveriesRoundTripWithAndWithoutHeads) {
  for (const bool heads : {false, true}) {
    const std::string batch = Delivery(heads) + Delivery(!heads);
    std::string_view rest = batch;
    DeliveryView delivery;
    ASSERT_TRUE(ReadDelivery(&rest, &delivery));
    EXPECT_TRUE(delivery.final);
    EXPECT_EQ(delivery.kind, DeliveryKind::kBinary);
    EXPECT_EQ(delivery.epoch, 9u);
    EXPECT_EQ(delivery.cause, (Cause{5, 3, 77}));
    EXPECT_EQ(delivery.index, 2u);
    ASSERT_EQ(delivery.recipient_count, 3u);
    EXPECT_EQ(delivery.recipient(1), 2u);
    EXPECT_EQ(delivery.head_size(1), heads ? 3u : 0u);
    EXPECT_EQ(delivery.heads, heads ? "abcd" : "");
    EXPECT_EQ(delivery.payload, "shared");
    EXPECT_EQ(delivery.recipient(2), 3u);
    ASSERT_TRUE(ReadDelivery(&rest, &delivery));
    EXPECT_EQ(delivery.payload, "shared");
    EXPECT_TRUE(rest.empty());
  }
}

TEST(PackedTest, EveryTruncationAndEveryFlippedByteIsReadWithinBounds) {
  const std::string events = TwoEvents();
  const std::string deliveries = Delivery(true);
  for (size_t size = 0; size < events.size(); ++size) {
    const std::string cut = events.substr(0, size);  // its own allocation, for the sanitizer
    std::string_view rest = cut;
    EventView event;
    int read = 0;
    while (ReadEvent(&rest, &event)) ++read;
    EXPECT_LT(read, 2);
  }
  for (size_t size = 0; size < deliveries.size(); ++size) {
    const std::string cut = deliveries.substr(0, size);
    std::string_view rest = cut;
    DeliveryView delivery;
    EXPECT_FALSE(ReadDelivery(&rest, &delivery));
  }
  for (size_t i = 0; i < deliveries.size(); ++i) {
    std::string flipped = deliveries;
    flipped[i] = static_cast<char>(~flipped[i]);
    std::string_view rest = flipped;
    DeliveryView delivery;
    if (ReadDelivery(&rest, &delivery)) {
      EXPECT_LE(delivery.payload.data() + delivery.payload.size(), flipped.data() + flipped.size());
    }
  }
}

TEST(PackedTest, AutoResponsesRoundTripAndAreReadWithinBounds) {
  using namespace std::string_literals;
  const std::string zero("\0ping"s);
  for (const AutoResponseView& written :
       {AutoResponseView{"ping", "pong"}, AutoResponseView{zero, ""}, AutoResponseView{"", ""}}) {
    AutoResponseView read{"x", "x"};
    const std::string payload = AutoResponsePayload(written);
    ASSERT_TRUE(ReadAutoResponsePayload(payload, &read));
    EXPECT_EQ(read, written);
  }
  const std::string payload = AutoResponsePayload({"ping", "pong"});
  for (size_t size = 0; size < payload.size() - 4; ++size) {
    const std::string cut = payload.substr(0, size);  // its own allocation, for the sanitizer
    AutoResponseView read;
    EXPECT_FALSE(ReadAutoResponsePayload(cut, &read)) << size;
  }
}

}  // namespace
}  // namespace dormouse
