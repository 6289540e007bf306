#include "statekeeper/runtime/hub/poison_guard.h"

#include <gtest/gtest.h>

#include "common/clock.h"
#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

using Verdict = PoisonGuard::Verdict;
using Refusal = PoisonGuard::Refusal;

class PoisonGuardTest : public testing::Test {
 protected:
  static event::FromGateway Event(uint64_t sequence, uint32_t attempts = 0) {
    return {.gateway = 5, .sequence = sequence, .attempts = attempts};
  }
  void Learn(const stored::HubMeta& meta) {
    parts_.Store(meta);
    parts_.Load();
    guard_.Learn();
  }
  stored::HubMeta Begun(uint32_t epoch, uint32_t attempts) {
    stored::HubMeta meta;
    meta.mutable_begun()->set_gateway(5);
    meta.mutable_begun()->set_sequence(9);
    meta.mutable_begun()->set_epoch(epoch);
    meta.mutable_begun()->set_attempts(attempts);
    return meta;
  }
  // The hub was given up for, so often, just now.
  stored::HubMeta GivenUp(uint32_t count) {
    stored::HubMeta meta;
    meta.mutable_given_up()->set_count(count);
    meta.mutable_given_up()->set_last_ms(WallMs());
    return meta;
  }

  HubParts parts_;
  PoisonGuard guard_{parts_.name, parts_.shard, &parts_.state, &parts_.queue, &parts_.host};
};

TEST_F(PoisonGuardTest, WhatIsNoSuspectBeginsAtOnce) {
  Learn({});
  parts_.queue.Add(Event(1));
  EXPECT_EQ(guard_.Judge(), Verdict::kBegin);
  EXPECT_EQ(guard_.Refuse(parts_.queue.front()), Refusal::kNone);
}

TEST_F(PoisonGuardTest, ASuspectBeginsInItsTurnWhenThatIsNoted) {
  Learn({});
  parts_.queue.Add(Event(9, 3));
  EXPECT_EQ(guard_.Judge(), Verdict::kAskForTurn);
  EXPECT_EQ(guard_.Judge(), Verdict::kWait);
  guard_.OnTurn();
  EXPECT_EQ(guard_.Judge(), Verdict::kBegin) << "the note";
  const HubEvent note = parts_.queue.Take();
  ASSERT_TRUE(Is<event::NoteSuspect>(note));
  guard_.Handle(event::NoteSuspect{});
  EXPECT_EQ(parts_.state.meta().begun().gateway(), 5u);
  EXPECT_EQ(parts_.state.meta().begun().sequence(), 9u);
  EXPECT_EQ(parts_.state.meta().begun().epoch(), parts_.shard.epoch);
  EXPECT_EQ(parts_.state.meta().begun().attempts(), 3u);
  EXPECT_EQ(guard_.Judge(), Verdict::kWait) << "that is not durable yet";
  guard_.OnReleased(note);
  EXPECT_TRUE(guard_.IsNoted());
  EXPECT_EQ(guard_.Judge(), Verdict::kBegin);

  guard_.End(false);
  const HubEvent end = parts_.queue.Take();
  ASSERT_TRUE(Is<event::ClearSuspect>(end));
  guard_.Handle(event::ClearSuspect{});
  EXPECT_FALSE(parts_.state.meta().has_begun());
  EXPECT_EQ(parts_.host.suspects_ended, 0);
  guard_.OnReleased(end);
  EXPECT_EQ(parts_.host.suspects_ended, 1);
}

TEST_F(PoisonGuardTest, ASuspectThatCannotBeNotedFailsAndGivesItsTurnBack) {
  Learn({});
  parts_.queue.Add(Event(9, 3));
  guard_.Judge();
  guard_.OnTurn();
  guard_.Judge();
  parts_.queue.Take();
  const auto failed = guard_.OnNoteFailed();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(std::get<event::FromGateway>(*failed).sequence, 9u);
  EXPECT_TRUE(parts_.queue.empty());
  EXPECT_EQ(parts_.host.suspects_ended, 1);
}

TEST_F(PoisonGuardTest, WhatWasUnderWayWhenItsOwnersDiedIsGivenUpOnce) {
  Learn(Begun(parts_.shard.epoch - 1, 3));
  EXPECT_EQ(guard_.Refuse(Event(8)), Refusal::kNone);
  EXPECT_EQ(guard_.Refuse(event::AlarmDue{}), Refusal::kNone);
  EXPECT_EQ(guard_.Refuse(Event(9)), Refusal::kGivenUp);
  EXPECT_EQ(parts_.host.given_up, 1);
  EXPECT_EQ(guard_.Refuse(Event(9)), Refusal::kNone);
}

TEST_F(PoisonGuardTest, ANoteOfThisOwnerOrOfTooFewDeathsCondemnsNobody) {
  Learn(Begun(parts_.shard.epoch, 3));
  EXPECT_EQ(guard_.Refuse(Event(9)), Refusal::kNone);
  Learn(Begun(parts_.shard.epoch - 1, 2));
  EXPECT_EQ(guard_.Refuse(Event(9)), Refusal::kNone);
  parts_.host.attempts = 0;
  Learn(Begun(parts_.shard.epoch - 1, 3));
  EXPECT_EQ(guard_.Refuse(Event(9)), Refusal::kNone) << "without a limit";
}

TEST_F(PoisonGuardTest, OnProbationAllEventsAreSuspectsAndInQuarantineNoneIsHandled) {
  Learn(GivenUp(1));
  EXPECT_TRUE(guard_.IsSuspect(Event(1)));
  EXPECT_TRUE(guard_.IsSuspect(event::AlarmDue{}));
  EXPECT_FALSE(guard_.IsSuspect(event::CallRoll{1}));
  EXPECT_EQ(guard_.QuarantineEndMs(), 0);
  EXPECT_EQ(guard_.Refuse(Event(1)), Refusal::kNone);
  Learn(GivenUp(2));
  EXPECT_GT(guard_.QuarantineEndMs(), WallMs());
  EXPECT_EQ(guard_.Refuse(Event(1)), Refusal::kQuarantined);
  parts_.queue.Add(Event(1));
  EXPECT_EQ(guard_.Judge(), Verdict::kBegin) << "to be refused, which needs no turn";
}

TEST_F(PoisonGuardTest, ProbationIsOverInTheEnd) {
  stored::HubMeta meta = GivenUp(1);
  meta.mutable_given_up()->set_last_ms(WallMs() - 700'000);
  Learn(meta);
  EXPECT_FALSE(guard_.IsSuspect(Event(1)));
  EXPECT_FALSE(parts_.state.meta().has_given_up());
}

TEST_F(PoisonGuardTest, ADeposedHubGivesItsTurnBackIfItHasOne) {
  Learn({});
  guard_.Depose();
  EXPECT_EQ(parts_.host.suspects_ended, 0);
  parts_.queue.Add(Event(9, 3));
  guard_.Judge();
  guard_.OnTurn();
  guard_.Depose();
  EXPECT_EQ(parts_.host.suspects_ended, 1);
}

}  // namespace
}  // namespace dormouse
