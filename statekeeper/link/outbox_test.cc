#include "statekeeper/link/outbox.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/rpc/link_channel.h"

namespace dormouse {
namespace {

link::ToGateway Written(Outbox* outbox) {
  link::ToGateway batch;
  EXPECT_TRUE(FromBuffer(outbox->Next(), &batch));
  return batch;
}

uint64_t Deliver(Outbox* outbox, std::string_view payload, std::string_view return_to = {}) {
  return outbox->AddDelivery({.cause = {}, .return_to = return_to, .recipients = {}, .payload = payload});
}

// Of its deliveries, one after the other.
std::string Payloads(const link::ToGateway& batch) {
  std::string payloads;
  std::string_view rest = batch.deliveries();
  for (DeliveryView delivery; ReadDelivery(&rest, &delivery);) payloads += delivery.payload;
  EXPECT_TRUE(rest.empty());
  return payloads;
}

TEST(OutboxTest, TheOpenBatchGrowsUntilItIsWritten) {
  Outbox outbox;
  EXPECT_EQ(Deliver(&outbox, "a"), 1u);
  EXPECT_EQ(Deliver(&outbox, "b"), 1u);
  link::ToGateway batch = Written(&outbox);
  EXPECT_EQ(batch.batch(), 1u);
  EXPECT_EQ(Payloads(batch), "ab");
  EXPECT_FALSE(outbox.has_deliveries());
  EXPECT_EQ(Deliver(&outbox, "c"), 2u);
  EXPECT_EQ(Payloads(Written(&outbox)), "c");
}

TEST(OutboxTest, WhatIsNotAcknowledgedIsWrittenAgain) {
  Outbox outbox;
  for (const char* bytes : {"a", "b", "c"}) {
    Deliver(&outbox, bytes);
    Written(&outbox);
  }
  Deliver(&outbox, "d");
  EXPECT_TRUE(outbox.Acknowledge(1));
  outbox.Rewind();
  const std::vector<std::string> expected = {"b", "c", "d"};
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(outbox.has_deliveries());
    const link::ToGateway batch = Written(&outbox);
    EXPECT_EQ(batch.batch(), i + 2);
    EXPECT_EQ(Payloads(batch), expected[i]);
  }
  EXPECT_TRUE(outbox.Acknowledge(4));
  EXPECT_EQ(outbox.bytes(), 0u);
  outbox.Rewind();
  EXPECT_FALSE(outbox.has_deliveries());
}

// A batch that was closed because it was full is no more sent than an open one.
TEST(OutboxTest, WhatWasNeverWrittenCannotBeAcknowledgedThoughItMayHaveBeenOnAnEarlierStream) {
  Outbox outbox;
  Deliver(&outbox, std::string(kBatchBytes, 'a'));
  Deliver(&outbox, std::string(kBatchBytes, 'b'));
  EXPECT_FALSE(outbox.Acknowledge(1));
  Written(&outbox);
  EXPECT_FALSE(outbox.Acknowledge(2));
  outbox.Rewind();
  EXPECT_TRUE(outbox.Acknowledge(1));
  EXPECT_TRUE(outbox.has_unacknowledged());
  Written(&outbox);
  EXPECT_TRUE(outbox.Acknowledge(2));
  EXPECT_FALSE(outbox.has_unacknowledged());
}

TEST(OutboxTest, KnowsWhetherAnythingInItCanBeReturned) {
  Outbox outbox;
  Deliver(&outbox, "a");
  EXPECT_FALSE(outbox.has_returnable());
  Deliver(&outbox, "b", "test/hub");
  Written(&outbox);
  Deliver(&outbox, "c");
  EXPECT_TRUE(outbox.has_returnable());
  EXPECT_TRUE(outbox.Acknowledge(1));
  EXPECT_FALSE(outbox.has_returnable());
}

TEST(OutboxTest, AcknowledgingTheUnsentIsRefused) {
  Outbox outbox;
  Deliver(&outbox, "a");
  EXPECT_FALSE(outbox.Acknowledge(1));
  Written(&outbox);
  EXPECT_TRUE(outbox.Acknowledge(1));
  EXPECT_FALSE(outbox.Acknowledge(2));
}

TEST(OutboxTest, BatchesAreBoundedAndNumberedAsTheirContentWasTold) {
  Outbox outbox;
  const std::string large(600u << 10, 'x');
  EXPECT_EQ(Deliver(&outbox, large), 1u);
  EXPECT_EQ(Deliver(&outbox, large), 1u);  // over the size: closed
  EXPECT_EQ(Deliver(&outbox, "next"), 2u);
  EXPECT_EQ(outbox.AddSettled(1, 1, 1), 2u);
  EXPECT_EQ(Payloads(Written(&outbox)).size(), 2 * large.size());
  const link::ToGateway second = Written(&outbox);
  EXPECT_EQ(Payloads(second), "next");
  EXPECT_EQ(second.settled_size(), 1);
}

TEST(OutboxTest, ConsecutiveNotesAreJoined) {
  Outbox outbox;
  for (uint64_t sequence = 5; sequence <= 9; ++sequence) outbox.AddSettled(3, 2, sequence);
  outbox.AddSettled(3, 2, 11);
  outbox.AddSettled(3, 3, 12);
  for (uint64_t sequence = 1; sequence <= 4; ++sequence) outbox.AddForget(77, 3, sequence, 1);
  outbox.AddForget(78, 3, 5, 1);
  EXPECT_TRUE(outbox.has_notes());
  EXPECT_FALSE(outbox.has_deliveries());
  const link::ToGateway batch = Written(&outbox);
  ASSERT_EQ(batch.settled_size(), 3);
  EXPECT_EQ(batch.settled(0).first(), 5u);
  EXPECT_EQ(batch.settled(0).last(), 9u);
  EXPECT_EQ(batch.settled(1).first(), 11u);
  EXPECT_EQ(batch.settled(2).epoch(), 3u);
  ASSERT_EQ(batch.forget_size(), 2);
  EXPECT_EQ(batch.forget(0).last(), 4u);
  EXPECT_FALSE(outbox.has_notes());
}

}  // namespace
}  // namespace dormouse
