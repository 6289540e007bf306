#include "gateway/edge/partial_message.h"

#include <gtest/gtest.h>

#include <memory>

namespace dormouse {
namespace {

TEST(PartialMessage, IsPutTogetherWithinTheBudget) {
  PartialBudget budget{.limit = 100};
  {
    PartialMessage a(&budget, 5);
    EXPECT_EQ(a.started_ms(), 5);
    EXPECT_TRUE(a.Append("one"));
    EXPECT_TRUE(a.Append(" two"));
    EXPECT_EQ(a.bytes(), "one two");
    EXPECT_EQ(a.size(), 7u);
    EXPECT_GE(budget.used, 7u);
    PartialMessage b(&budget, 5);
    EXPECT_FALSE(b.Append(std::string(99, 'b')));
    EXPECT_EQ(b.bytes(), "");
    EXPECT_TRUE(b.Append(std::string(80, 'b')));
    EXPECT_FALSE(b.Append("growing doubles it"));
    EXPECT_LE(budget.used, 100u);
  }
  EXPECT_EQ(budget.used, 0u);
}

TEST(PartialMessage, WhatIsTooLargeIsOnlyCounted) {
  PartialBudget budget{.limit = 1000};
  PartialMessage message(&budget, 0);
  EXPECT_TRUE(message.Append(std::string(500, 'x')));
  message.Skip(std::string(700, 'x'));
  EXPECT_EQ(message.size(), 1200u);
  EXPECT_EQ(budget.used, 0u);
  EXPECT_LT(message.bytes().capacity(), 100u);
}

}  // namespace
}  // namespace dormouse
