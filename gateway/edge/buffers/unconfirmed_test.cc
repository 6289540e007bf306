#include "gateway/edge/buffers/unconfirmed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace dormouse::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class UnconfirmedTest : public testing::Test {
 protected:
  bool Keep(const std::string& text, int64_t now_ms = 0) {
    return kept_.Add({.head = text}, bounds_, now_ms);
  }
  std::vector<std::string> Take(int64_t now_ms = 0) {
    std::vector<std::string> heads;
    const Unconfirmed::Taken taken = kept_.Take(now_ms);
    for (const OutboundQueue::Frame& frame : taken.frames) heads.push_back(frame.head);
    answered_ = taken.answered;
    return heads;
  }

  KeptOutputLimits bounds_{.messages = 100, .bytes = 1u << 20};
  OutboundBudget budget_;
  Unconfirmed kept_{&budget_};
  size_t answered_ = 0;  // of what was taken
};

TEST_F(UnconfirmedTest, KeepsInOrderWhatNobodyHasConfirmed) {
  EXPECT_TRUE(kept_.empty());
  for (const char* text : {"one", "two", "three"}) EXPECT_FALSE(Keep(text));
  EXPECT_FALSE(kept_.empty());
  EXPECT_GT(budget_.kept, 0u);
  EXPECT_EQ(kept_.lost_unanswered(), 0u);
  EXPECT_THAT(Take(), ElementsAre("one", "two", "three"));
  EXPECT_TRUE(kept_.empty());
  EXPECT_EQ(budget_.kept, 0u);
}

TEST_F(UnconfirmedTest, AnAnswerSaysWhatTheMachineHas) {
  Keep("one");
  Keep("two");
  const std::string first = kept_.MakePing();
  Keep("three");
  const std::string second = kept_.MakePing();
  Keep("four");
  EXPECT_TRUE(kept_.OnPong(first, 0));
  EXPECT_FALSE(kept_.OnPong(first, 0)) << "a second time";
  EXPECT_TRUE(kept_.OnPong(second, 0));
  EXPECT_TRUE(kept_.HasUnanswered());
  EXPECT_THAT(Take(), ElementsAre("one", "two", "three", "four"));
  EXPECT_EQ(answered_, 3u);
}

TEST_F(UnconfirmedTest, AProgramThatSpeaksAWhileAfterTheAnswerHasTakenIt) {
  constexpr int64_t kSpoken = 1000 + Unconfirmed::kTakenAfterMs;
  Keep("one");
  kept_.OnPong(kept_.MakePing(), 1000);
  EXPECT_FALSE(kept_.OnMessage(kSpoken - 1));
  Keep("two", kSpoken);
  kept_.OnMessage(kSpoken);
  EXPECT_THAT(Take(kSpoken + Unconfirmed::kEndedAfterMs), ElementsAre("two"));
  EXPECT_EQ(answered_, 0u);
}

TEST_F(UnconfirmedTest, ButNotIfTheConnectionEndsWithThat) {
  constexpr int64_t kSpoken = Unconfirmed::kTakenAfterMs;
  Keep("one");
  kept_.OnPong(kept_.MakePing(), 0);
  kept_.OnMessage(kSpoken);
  EXPECT_THAT(Take(kSpoken + Unconfirmed::kEndedAfterMs - 1), ElementsAre("one"));
  EXPECT_EQ(answered_, 1u);
}

TEST_F(UnconfirmedTest, IsForgottenWhenMoreIsWrittenOrHeard) {
  constexpr int64_t kSpoken = Unconfirmed::kTakenAfterMs;
  for (const bool writes : {true, false}) {
    Keep("one");
    kept_.OnPong(kept_.MakePing(), 0);
    kept_.OnMessage(kSpoken);
    if (writes) {
      Keep("two", kSpoken + Unconfirmed::kEndedAfterMs);
      EXPECT_THAT(Take(), ElementsAre("two"));
    } else {
      kept_.OnMessage(kSpoken + Unconfirmed::kEndedAfterMs);
      EXPECT_TRUE(kept_.empty());
    }
  }
}

TEST_F(UnconfirmedTest, AClientThatIsBusyBothWaysHasAllButTheLatest) {
  constexpr int64_t kStep = Unconfirmed::kTakenAfterMs / 5;
  for (int64_t i = 0; i < 400; ++i) {
    Keep(std::to_string(i), i * kStep);
    kept_.OnPong(kept_.MakePing(), i * kStep);
    kept_.OnMessage(i * kStep);
  }
  EXPECT_LE(Take(400 * kStep).size(), static_cast<size_t>(2 * Unconfirmed::kEndedAfterMs / kStep + 10));
}

TEST_F(UnconfirmedTest, WhatWasNotAskedConfirmsNothing) {
  Keep("one");
  EXPECT_FALSE(kept_.OnPong("", 0));
  EXPECT_FALSE(kept_.OnPong("by itself", 0));
  EXPECT_FALSE(kept_.OnPong(std::string(8, '\1'), 0));
  EXPECT_FALSE(kept_.OnPong(std::string(8, '\0'), 0));
  EXPECT_FALSE(kept_.OnPong(std::string("\1\0\0\0\0\0\0\0", 8), 0))
      << "the number of a message nobody asked for";
  EXPECT_THAT(Take(), ElementsAre("one"));
}

TEST_F(UnconfirmedTest, BeyondItsBoundsTheOldestAreCountedOnly) {
  bounds_.messages = 3;
  for (int i = 0; i < 5; ++i) Keep(std::to_string(i));
  EXPECT_EQ(kept_.lost_unanswered(), 2u);
  bounds_.bytes = 10;
  Keep("six bytes");
  EXPECT_EQ(kept_.lost_unanswered(), 4u);
  Keep("more than ten bytes");
  EXPECT_EQ(kept_.lost_unanswered(), 7u);
  EXPECT_EQ(kept_.lost_answered(), 0u);
  EXPECT_FALSE(kept_.empty());
  EXPECT_TRUE(kept_.OnPong(kept_.MakePing(), 0)) << "the machine has them all";
  EXPECT_EQ(kept_.lost_unanswered(), 0u);
  EXPECT_EQ(kept_.lost_answered(), 7u);
  kept_.OnMessage(Unconfirmed::kTakenAfterMs);
  EXPECT_THAT(Take(Unconfirmed::kTakenAfterMs + Unconfirmed::kEndedAfterMs), IsEmpty());
  EXPECT_EQ(kept_.lost_answered(), 0u);
}

TEST_F(UnconfirmedTest, ForgetsForWantOfMemoryAndSaysHowMany) {
  Keep("one");
  const std::string question = kept_.MakePing();
  Keep("two");
  kept_.Drop();
  EXPECT_EQ(budget_.kept, 0u);
  EXPECT_EQ(kept_.lost_unanswered(), 2u);
  EXPECT_TRUE(kept_.OnPong(question, 0));
  EXPECT_EQ(kept_.lost_unanswered(), 1u);
  EXPECT_EQ(kept_.lost_answered(), 1u);
  Keep("three");
  EXPECT_THAT(Take(), ElementsAre("three"));
}

TEST_F(UnconfirmedTest, ForgetsWhatWasAnsweredAlone) {
  Keep("one");
  Keep("two");
  kept_.OnPong(kept_.MakePing(), 0);
  Keep("three");
  EXPECT_EQ(budget_.answered, kept_.answered_memory());
  kept_.DropAnsweredButLast();
  EXPECT_GT(budget_.answered, 0u);
  EXPECT_EQ(kept_.lost_answered(), 1u);
  kept_.DropAnswered();
  EXPECT_EQ(budget_.answered, 0u);
  EXPECT_EQ(kept_.lost_answered(), 2u);
  EXPECT_EQ(kept_.lost_unanswered(), 0u);
  EXPECT_THAT(Take(), ElementsAre("three"));
}

TEST_F(UnconfirmedTest, CountsWhatWasAnsweredUntilItIsGone) {
  const auto answer_two = [this] {
    Keep("one");
    Keep("two");
    kept_.OnPong(kept_.MakePing(), 0);
    EXPECT_GT(budget_.answered, 0u);
  };
  answer_two();
  kept_.OnMessage(Unconfirmed::kTakenAfterMs);
  kept_.OnMessage(Unconfirmed::kTakenAfterMs + Unconfirmed::kEndedAfterMs);
  EXPECT_EQ(budget_.answered, 0u);
  answer_two();
  Take();
  EXPECT_EQ(budget_.answered, 0u);
  answer_two();
  bounds_.messages = 1;
  Keep("three");
  EXPECT_EQ(budget_.answered, 0u);
}

TEST_F(UnconfirmedTest, AsksWhenMuchIsThere) {
  for (size_t i = 1; i < Unconfirmed::kAskMessages; ++i) ASSERT_FALSE(Keep("x")) << i;
  EXPECT_TRUE(Keep("x"));
  const std::string question = kept_.MakePing();
  for (size_t i = 0; i < 2 * Unconfirmed::kAskMessages; ++i)
    ASSERT_FALSE(Keep("x")) << "one question at a time";
  EXPECT_TRUE(kept_.OnPong(question, 0));
  EXPECT_TRUE(Keep(std::string(Unconfirmed::kAskBytes, 'x')));
}

TEST_F(UnconfirmedTest, AsksAClientThatIsHeardOnceSomethingHasBeenHereForAWhile) {
  constexpr int64_t kLater = 1000 + Unconfirmed::kAskAfterMs;
  EXPECT_FALSE(kept_.OnMessage(kLater)) << "there is nothing to ask for";
  Keep("one", 1000);
  EXPECT_FALSE(kept_.OnMessage(kLater - 1));
  EXPECT_TRUE(kept_.OnMessage(kLater));
  const std::string question = kept_.MakePing();
  EXPECT_FALSE(kept_.OnMessage(kLater));
  Keep("two", kLater);
  EXPECT_TRUE(kept_.OnPong(question, kLater));
  EXPECT_FALSE(kept_.OnMessage(kLater + Unconfirmed::kAskAfterMs - 1));
  EXPECT_TRUE(kept_.OnMessage(kLater + Unconfirmed::kAskAfterMs));
}

TEST_F(UnconfirmedTest, EachOfThoseWhoShareABodyCountsItsPart) {
  const auto body = std::make_shared<SharedBytes>(std::string(100'000, 'x'), &budget_);
  std::vector<std::unique_ptr<Unconfirmed>> crowd;
  for (int i = 0; i < 10; ++i) {
    crowd.push_back(std::make_unique<Unconfirmed>(&budget_));
    crowd.back()->Add({.body = body}, bounds_, 0);
  }
  EXPECT_LT(budget_.kept, 400'000u);
  crowd.clear();
  EXPECT_EQ(budget_.kept, 0u);
}

}  // namespace
}  // namespace dormouse::edge
