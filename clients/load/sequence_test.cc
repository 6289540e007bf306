#include "clients/load/sequence.h"

#include <gtest/gtest.h>

namespace dormouse::load {
namespace {

using Found = Sequence::Found;

Sequence Asked(int count) {
  Sequence sequence;
  for (int i = 0; i < count; ++i) sequence.Ask();
  return sequence;
}

TEST(SequenceTest, RepliesInOrderAreAsTheyShouldBe) {
  Sequence sequence = Asked(2);
  EXPECT_EQ(sequence.outstanding(), 2U);
  EXPECT_EQ(sequence.Take(0), Found::kNext);
  EXPECT_EQ(sequence.Take(1), Found::kNext);
  EXPECT_EQ(sequence.outstanding(), 0U);
}

TEST(SequenceTest, OneThatComesTwiceIsDoubled) {
  Sequence sequence = Asked(4);
  sequence.Take(0);
  EXPECT_EQ(sequence.Take(0), Found::kDoubled);
  EXPECT_EQ(sequence.Take(2), Found::kEarly);
  EXPECT_EQ(sequence.Take(2), Found::kDoubled);
  EXPECT_EQ(sequence.outstanding(), 2U);
}

TEST(SequenceTest, OneThatWasOvertakenIsLate) {
  Sequence sequence = Asked(4);
  EXPECT_EQ(sequence.Take(1), Found::kEarly);
  EXPECT_EQ(sequence.Take(2), Found::kEarly);
  EXPECT_EQ(sequence.Take(0), Found::kLate);
  EXPECT_EQ(sequence.Take(3), Found::kNext);
  EXPECT_EQ(sequence.outstanding(), 0U);
}

TEST(SequenceTest, OneThatNeverComesStaysOutstanding) {
  Sequence sequence = Asked(3);
  sequence.Take(0);
  sequence.Take(2);
  EXPECT_EQ(sequence.outstanding(), 1U);
}

TEST(SequenceTest, NobodyAskedForWhatIsBeyond) { EXPECT_EQ(Asked(1).Take(1), Found::kUnasked); }

TEST(SequenceTest, WhatIsForgottenIsNotAwaited) {
  Sequence sequence = Asked(3);
  sequence.Take(1);
  sequence.Forget();
  EXPECT_EQ(sequence.outstanding(), 0U);
  EXPECT_EQ(sequence.Ask(), 3U);
  EXPECT_EQ(sequence.Take(3), Found::kNext);
}

}  // namespace
}  // namespace dormouse::load
