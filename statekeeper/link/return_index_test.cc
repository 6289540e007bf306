#include "statekeeper/link/return_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/packed.h"

namespace dormouse {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

void Append(Outbox* outbox, std::vector<Recipient> to, std::string_view payload,
            std::string_view return_to = "test/hub") {
  outbox->AddDelivery(
      {.cause = {}, .return_to = return_to, .recipients = to, .has_heads = true, .payload = payload});
}

TEST(ReturnIndexTest, GivesWhatIsUnacknowledgedAndReturnableOldestFirst) {
  Outbox outbox;
  ReturnIndex index;
  Append(&outbox, {{1, "acknowledged "}}, "a");
  outbox.Next();
  Append(&outbox, {{1, "one "}, {2, "two "}}, "b");
  outbox.Next();
  Append(&outbox, {{1, ""}}, "not returnable", "");
  Append(&outbox, {{1, "open "}}, "c");
  ASSERT_TRUE(outbox.Acknowledge(1));
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("one b", "open c"));
  EXPECT_THAT(index.Take(&outbox, 2), ElementsAre("two b"));
  EXPECT_THAT(index.Take(&outbox, 1), IsEmpty());
}

TEST(ReturnIndexTest, KnowsWhoseTheyAreUntilAllAreTaken) {
  Outbox outbox;
  Append(&outbox, {{1, ""}}, "a", "test/a");
  Append(&outbox, {{1, ""}, {2, ""}}, "b", "test/b");
  Append(&outbox, {{3, ""}}, "not returnable", "");
  ReturnIndex index;
  ASSERT_TRUE(index.Absorb(std::move(outbox), 1'000'000));
  EXPECT_THAT(index.hubs(), UnorderedElementsAre("test/a", "test/b"));
  index.Take(1);
  EXPECT_THAT(index.hubs(), Contains("test/b"));
  index.Take(2);
  EXPECT_THAT(index.hubs(), IsEmpty());
}

TEST(ReturnIndexTest, SeesWhatWasAddedSinceAlsoToABatchThatWasOpen) {
  Outbox outbox;
  ReturnIndex index;
  Append(&outbox, {{1, ""}}, "a");
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("a"));
  Append(&outbox, {{1, ""}}, "b");
  outbox.Next();
  Append(&outbox, {{1, ""}}, "c");
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("b", "c"));
}

TEST(ReturnIndexTest, ReadsTheBatchesOnceHoweverManyRecall) {
  Outbox outbox;
  for (uint64_t i = 0; i < 100; ++i) {
    Append(&outbox, {{i, ""}}, "x");
    outbox.Next();
  }
  Outbox::Seen seen;
  size_t bytes = 0;
  const auto count = [&](std::string_view deliveries) { bytes += deliveries.size(); };
  while (outbox.VisitUnseen(&seen, count)) {
  }
  const size_t all = bytes;
  EXPECT_GT(all, 0u);
  for (int i = 0; i < 100; ++i) outbox.VisitUnseen(&seen, count);
  EXPECT_EQ(bytes, all);
}

TEST(ReturnIndexTest, AbsorbsWhatCanBeReturnedOfAnOutboxAndNoMore) {
  Outbox outbox;
  ReturnIndex index;
  Append(&outbox, {{1, "one "}, {2, ""}}, "a");
  outbox.Next();
  EXPECT_THAT(index.Take(&outbox, 2), ElementsAre("a"));
  Append(&outbox, {{1, ""}}, std::string(100'000, 'x'), "");
  outbox.Next();
  Append(&outbox, {{1, "open "}, {2, ""}}, "b");
  EXPECT_TRUE(index.Absorb(std::move(outbox), 1 << 20));
  EXPECT_GT(index.bytes(), 0u);
  EXPECT_LT(index.bytes(), 1000u);
  EXPECT_THAT(index.Take(1), ElementsAre("one a", "open b"));
  EXPECT_THAT(index.Take(2), ElementsAre("b"));
}

TEST(ReturnIndexTest, AbsorbsTheOldestOfTooMuch) {
  Outbox outbox;
  for (const char* text : {"a", "b", "c"}) {
    Append(&outbox, {{1, ""}}, std::string(2000, *text));
    outbox.Next();
  }
  ReturnIndex index;
  EXPECT_FALSE(index.Absorb(std::move(outbox), 3000));
  EXPECT_THAT(index.Take(1), ElementsAre(std::string(2000, 'a'), std::string(2000, 'b')));
}

TEST(ReturnIndexTest, TakesMemoryOnlyForWhatIsLeft) {
  Outbox outbox;
  ReturnIndex index;
  std::vector<Recipient> all;
  for (uint64_t i = 0; i < 100; ++i) all.push_back({i, "head"});
  Append(&outbox, all, std::string(100'000, 'x'));
  EXPECT_THAT(index.Take(&outbox, 0), testing::SizeIs(1));
  EXPECT_GT(index.bytes(), 100'000u);
  EXPECT_LT(index.bytes(), 110'000u);
  for (uint64_t i = 1; i < 100; ++i) EXPECT_THAT(index.Take(i), testing::SizeIs(1));
  EXPECT_LT(index.bytes(), 10'000u);
}

TEST(ReturnIndexTest, KnowsWhatWasTakenAsOftenAsItWas) {
  Outbox outbox;
  ReturnIndex index;
  Append(&outbox, {{1, "h"}}, "a");
  Append(&outbox, {{1, "h"}}, "a");
  EXPECT_FALSE(index.WasTaken(1, "ha"));
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("ha", "ha"));
  EXPECT_FALSE(index.WasTaken(2, "ha"));
  EXPECT_TRUE(index.WasTaken(1, "ha"));
  EXPECT_TRUE(index.WasTaken(1, "ha"));
  EXPECT_FALSE(index.WasTaken(1, "ha"));
}

TEST(ReturnIndexTest, AfterARestartGivesWhatIsLeftButNothingTwice) {
  Outbox outbox;
  ReturnIndex index;
  Append(&outbox, {{1, ""}, {2, ""}}, "a");
  outbox.Next();
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("a"));
  index.Restart();
  Append(&outbox, {{1, ""}, {2, ""}}, "b");
  outbox.Next();
  EXPECT_THAT(index.Take(&outbox, 1), ElementsAre("b"));
  index.Restart();
  ASSERT_TRUE(outbox.Acknowledge(1));
  EXPECT_THAT(index.Take(&outbox, 2), ElementsAre("b"));
}

}  // namespace
}  // namespace dormouse
