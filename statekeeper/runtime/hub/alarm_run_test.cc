#include "statekeeper/runtime/hub/alarm_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "common/clock.h"
#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AlarmRunTest : public testing::Test {
 protected:
  AlarmRunTest() {
    parts_.Load();
    parts_.state.SetTimer("", 1000);  // long ago
  }
  // As if OnAlarm had run, and set the alarm (0: not).
  HubContext Run(int64_t set_ms) {
    run_.Begin("");
    HubContext context = parts_.NewContext(WallMs());
    context.RunTimer("");
    if (set_ms != 0) context.SetAlarm(set_ms);
    return context;
  }

  HubParts parts_;
  AlarmRun run_{parts_.name, parts_.shard, &parts_.state, &parts_.host};
  const HubEvent due_ = event::AlarmDue{};
};

TEST_F(AlarmRunTest, WithoutOutputItIsDoneWithItsCommit) {
  const HubContext context = Run(5000);
  EXPECT_FALSE(run_.Finish(context, false).has_value());
  EXPECT_EQ(parts_.state.TimerDue(""), 5000);
  EXPECT_TRUE(run_.is_under_way());
  EXPECT_THAT(parts_.host.alarms_done, IsEmpty());
  run_.OnReleased(due_, false);
  EXPECT_FALSE(run_.is_under_way());
  EXPECT_THAT(parts_.host.alarms_done, ElementsAre(5000));
}

TEST_F(AlarmRunTest, WithOutputItStaysUntilThatHasArrived) {
  const HubContext context = Run(5000);
  const auto settled = run_.Finish(context, true);
  ASSERT_TRUE(settled.has_value());
  run_.OnReleased(due_, true);
  EXPECT_EQ(parts_.host.alarms_ran, 1);
  EXPECT_EQ(parts_.state.TimerDue(""), 1000) << "it would run again after a crash";
  EXPECT_TRUE(run_.is_under_way());
  run_.Settle(*settled);
  EXPECT_EQ(parts_.state.TimerDue(""), 5000);
  run_.OnReleased(*settled, false);
  EXPECT_THAT(parts_.host.alarms_done, ElementsAre(5000));
}

TEST_F(AlarmRunTest, AnAlarmThatIsSetWhileTheOutputTravelsCounts) {
  const HubContext context = Run(0);
  const auto settled = run_.Finish(context, true);
  run_.OnChanged();
  parts_.state.SetTimer("", 9000);
  run_.Settle(*settled);
  EXPECT_EQ(parts_.state.TimerDue(""), 9000);
}

TEST_F(AlarmRunTest, AFailingAlarmBacksOffAndIsDroppedInTheEnd) {
  for (int64_t retry_ms = 2000; retry_ms <= 64'000; retry_ms *= 2) {
    const int64_t before_ms = WallMs();
    ASSERT_TRUE(run_.Fail(Hub::Failure::kHandler, 0, false));
    EXPECT_GE(parts_.state.NextDue(), before_ms + retry_ms);
    EXPECT_LE(parts_.state.NextDue(), WallMs() + retry_ms);
  }
  EXPECT_EQ(parts_.host.alarms_failed, 6);
  ASSERT_TRUE(run_.Fail(Hub::Failure::kHandler, 0, false));
  EXPECT_EQ(parts_.host.alarms_dropped, 1);
  EXPECT_EQ(parts_.state.TimerDue(""), 0);
}

TEST_F(AlarmRunTest, WhenTheStoreFailsItRingsAgainAndNothingIsChanged) {
  run_.Begin("");
  EXPECT_FALSE(run_.Fail(Hub::Failure::kStore, 0, false));
  EXPECT_FALSE(run_.Fail(Hub::Failure::kHandler, 0, true)) << "nothing can be committed";
  EXPECT_FALSE(run_.is_under_way());
  ASSERT_EQ(parts_.host.alarms_done.size(), 2u);
  EXPECT_GT(parts_.host.alarms_done[0], WallMs());
  EXPECT_EQ(parts_.state.TimerFailures(""), 0u);
}

TEST_F(AlarmRunTest, APoisonousAlarmIsDroppedOrWaitsForTheEndOfTheQuarantine) {
  const int64_t end_ms = WallMs() + 60'000;
  ASSERT_TRUE(run_.Fail(Hub::Failure::kPoison, end_ms, false));
  EXPECT_EQ(parts_.state.NextDue(), end_ms);
  EXPECT_TRUE(run_.is_under_way()) << "it is answered with the commit";
  parts_.state.SetTimer("", 1000);
  ASSERT_TRUE(run_.Fail(Hub::Failure::kPoison, 0, false));
  EXPECT_EQ(parts_.state.TimerDue(""), 0);
}

TEST_F(AlarmRunTest, TheOneThatIsDueFirstRunsAndTheOthersAreLeftAsTheyAre) {
  parts_.state.SetTimer("late", 900);
  parts_.state.SetTimer("early", 500);
  EXPECT_EQ(parts_.state.NextDue(), 500);
  ASSERT_EQ(parts_.state.FindDueTimer(WallMs()), "early");
  run_.Begin("early");
  HubContext context = parts_.NewContext(WallMs());
  context.RunTimer("early");
  EXPECT_FALSE(context.GetTimer("early").has_value());
  EXPECT_EQ(context.GetTimer("late"), 900);
  context.SetTimer("early", 7000);
  context.SetAlarm(8000);
  EXPECT_FALSE(run_.Finish(context, false).has_value());
  run_.OnReleased(due_, false);
  EXPECT_EQ(parts_.state.TimerDue("early"), 7000);
  EXPECT_EQ(parts_.state.TimerDue(""), 8000);
  EXPECT_THAT(parts_.host.alarms_done, ElementsAre(900)) << "so the lane rings for the next one";
  EXPECT_EQ(parts_.state.FindDueTimer(WallMs()), "late");
}

TEST_F(AlarmRunTest, AFailingTimerBacksOffByItself) {
  parts_.state.SetTimer("bad", 500);
  run_.Begin("bad");
  const int64_t before_ms = WallMs();
  ASSERT_TRUE(run_.Fail(Hub::Failure::kHandler, 0, false));
  EXPECT_EQ(parts_.state.TimerFailures("bad"), 1u);
  EXPECT_EQ(parts_.state.TimerFailures(""), 0u);
  EXPECT_EQ(parts_.state.FindDueTimer(WallMs()), "") << "the alarm, which is due, does not wait for it";
  parts_.state.SetTimer("", 0);
  EXPECT_GE(parts_.state.NextDue(), before_ms + 2000);
  for (int failures = 1; failures < 7; ++failures) ASSERT_TRUE(run_.Fail(Hub::Failure::kHandler, 0, false));
  EXPECT_EQ(parts_.state.TimerDue("bad"), 0);
}

TEST_F(AlarmRunTest, AnotherTimerThatIsSetMeanwhileDoesNotOvertakeIt) {
  parts_.state.SetTimer("a", 500);
  run_.Begin("a");
  HubContext context = parts_.NewContext(WallMs());
  context.RunTimer("a");
  HubContext other = parts_.NewContext(WallMs());
  other.SetTimer("b", 9000);
  run_.OnHandled(other);
  run_.Finish(context, false);
  EXPECT_EQ(parts_.state.TimerDue("a"), 0);
  EXPECT_EQ(parts_.state.TimerDue("b"), 9000);
}

TEST_F(AlarmRunTest, TimersAreBoundedAndSurviveTheirHubsSleep) {
  parts_.state.SetTimer("", 0);
  HubContext context = parts_.NewContext(WallMs());
  EXPECT_THROW(context.SetTimer("", 1), std::length_error);
  EXPECT_THROW(context.SetTimer(std::string(65, 'x'), 1), std::length_error);
  EXPECT_THROW(context.SetTimer("x", 0), std::invalid_argument);
  for (size_t i = 0; i < Context::kMaxTimers; ++i) context.SetTimer("timer " + std::to_string(i), 5000 - i);
  EXPECT_THROW(context.SetTimer("one more", 1), std::length_error);
  context.SetTimer("timer 7", 9000);
  context.DeleteTimer("timer 8");
  EXPECT_EQ(context.Timers().size(), Context::kMaxTimers - 1);
  const HubState::Change change = parts_.state.TakeChange();
  ASSERT_EQ(change.writes.size(), 1u);
  EXPECT_EQ(change.next_due, 5000 - 99);
  parts_.host.hub_store.hubs[parts_.name][kMetaRow] = *change.writes[0].value;
  parts_.Load();
  HubContext later = parts_.NewContext(WallMs());
  EXPECT_EQ(later.Timers().size(), Context::kMaxTimers - 1);
  EXPECT_EQ(later.GetTimer("timer 7"), 9000);
  EXPECT_FALSE(later.GetTimer("timer 8").has_value());
}

}  // namespace
}  // namespace dormouse
