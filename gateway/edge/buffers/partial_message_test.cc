#include "gateway/edge/buffers/partial_message.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

namespace dormouse::edge {
namespace {

TEST(PartialMessage, IsPutTogetherWithinTheBudget) {
  PartialBudget budget(100);
  {
    PartialMessage a(&budget, 1, 5);
    EXPECT_EQ(a.started_ms(), 5);
    EXPECT_TRUE(a.Append("one", 6));
    EXPECT_TRUE(a.Append(" two", 7));
    EXPECT_EQ(a.size(), 7u);
    EXPECT_GE(budget.used(), 7u);
    PartialMessage b(&budget, 2, 5);
    EXPECT_FALSE(b.Append(std::string(99, 'b'), 8));
    EXPECT_TRUE(b.Append(std::string(80, 'b'), 9));
    EXPECT_FALSE(b.Append("growing doubles it", 10));
    EXPECT_LE(budget.used(), 100u);
    EXPECT_EQ(a.Take(), "one two");
    EXPECT_EQ(b.Take(), std::string(80, 'b'));
    EXPECT_EQ(budget.used(), 0u);
  }
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(budget.Costliest(11), nullptr);
}

TEST(PartialMessage, IsWholeHoweverItCame) {
  PartialBudget budget(10'000'000);
  PartialMessage message(&budget, 1, 0);
  std::string all;
  for (size_t i = 0; all.size() < 1'000'000; ++i) {
    const std::string piece(i * 37 % 5'000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(message.Append(piece, 0));
    all += piece;
    ASSERT_GE(budget.used(), all.size());
    ASSERT_LE(budget.used(), 2 * all.size() + 65'536);
  }
  EXPECT_EQ(message.Take(), all);
}

TEST(PartialMessage, OfWhatIsTooLargeTheHeadIsKeptAndTheRestCounted) {
  PartialBudget budget(100'000);
  PartialMessage from_the_start(&budget, 1, 0);
  for (int i = 0; i < 100; ++i) from_the_start.Skip(std::string(500, static_cast<char>('0' + i % 10)), 0);
  EXPECT_EQ(from_the_start.size(), 50'000u);
  PartialMessage in_the_end(&budget, 2, 0);
  EXPECT_TRUE(in_the_end.Append(std::string(20'000, 'x'), 0));
  in_the_end.Skip(std::string(20'000, 'y'), 0);
  EXPECT_EQ(in_the_end.size(), 40'000u);
  EXPECT_LE(budget.used(), 4 * PartialMessage::kHead);
  const std::string head = from_the_start.Take();
  EXPECT_EQ(head.size(), PartialMessage::kHead);
  EXPECT_EQ(head.substr(0, 501), std::string(500, '0') + "1");
  EXPECT_EQ(in_the_end.Take(), std::string(PartialMessage::kHead, 'x'));
}

TEST(PartialMessage, WhereThereIsNoMemoryForAHeadItDoesWithout) {
  PartialBudget budget(1000);
  PartialMessage message(&budget, 1, 0);
  message.Skip(std::string(700, 'x'), 0);
  message.Skip(std::string(700, 'y'), 0);
  message.Skip(std::string(100, 'z'), 0);
  EXPECT_EQ(message.size(), 1500u);
  PartialMessage other(&budget, 2, 0);
  other.Skip(std::string(700, 'x'), 0);
  EXPECT_EQ(budget.Costliest(1)->owner(), 1u) << "who holds nothing need not go";
  EXPECT_EQ(other.Take(), "");
  EXPECT_EQ(message.Take(), std::string(700, 'x')) << "no head with a hole in it";
}

class CostliestTest : public testing::Test {
 protected:
  // A message of which so much has come in pieces of 500 bytes, all at once.
  PartialMessage& Add(uint64_t owner, size_t size, int64_t now_ms) {
    PartialMessage& message =
        *messages_.emplace_back(std::make_unique<PartialMessage>(&budget_, owner, now_ms));
    Add(&message, size, now_ms);
    return message;
  }
  static void Add(PartialMessage* message, size_t size, int64_t now_ms) {
    for (size_t i = 0; i < size; i += 500) EXPECT_TRUE(message->Append(std::string(500, 'x'), now_ms));
  }
  uint64_t Costliest(int64_t now_ms) { return budget_.Costliest(now_ms)->owner(); }

  PartialBudget budget_{1u << 30};
  std::deque<std::unique_ptr<PartialMessage>> messages_;
};

TEST_F(CostliestTest, IsTheLargestOfThoseThatStandStill) {
  for (uint64_t owner = 1; owner <= 50; ++owner) Add(owner, 25'000, 1'000);
  Add(60, 1'000'000, 1'000);
  Add(70, 500, 0);  // small change
  EXPECT_EQ(Costliest(2'000), 60u);
}

TEST_F(CostliestTest, IsWhoStandsStillForLongest) {
  for (uint64_t owner = 1; owner <= 50; ++owner) Add(owner, 25'000, 1'000 + static_cast<int64_t>(owner));
  EXPECT_EQ(Costliest(2'000), 1u);
  messages_.pop_front();
  EXPECT_EQ(Costliest(2'000), 2u);
}

TEST_F(CostliestTest, IsNotALargeMessageThatComesAlong) {
  Add(1, 25'000, 0);
  PartialMessage& large = Add(2, 500, 0);
  for (int64_t now = 0; now < 2'000; now += 100) {
    Add(&large, 20'000, now);
    EXPECT_EQ(Costliest(now + 50), 1u) << now;
  }
}

TEST_F(CostliestTest, IsWhoTricklesAsIfItSaidNothing) {
  PartialMessage& trickle = Add(1, 25'000, 0);
  for (int64_t now = 0; now < 100'000; now += 1'000) EXPECT_TRUE(trickle.Append("x", now));
  Add(2, 25'000, 50'000);
  EXPECT_EQ(Costliest(100'000), 1u);
}

TEST_F(CostliestTest, IsNotWhoWasNotReadOnPurpose) {
  PartialMessage& held = Add(1, 25'000, 0);
  Add(2, 25'000, 5'000);
  held.Restart(9'000);
  EXPECT_EQ(held.started_ms(), 9'000);
  EXPECT_EQ(Costliest(10'000), 2u);
}

}  // namespace
}  // namespace dormouse::edge
