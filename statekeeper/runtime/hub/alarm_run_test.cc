#include "statekeeper/runtime/hub/alarm_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    parts_.state.SetAlarm(1000);  // long ago
  }
  // As if OnAlarm had run, and set the alarm (0: not).
  HubContext Run(int64_t set_ms) {
    run_.Begin();
    HubContext context = parts_.NewContext(WallMs());
    context.DeferAlarm();
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
  EXPECT_EQ(parts_.state.alarm_due_ms(), 5000);
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
  EXPECT_EQ(parts_.state.alarm_due_ms(), 1000) << "it would run again after a crash";
  EXPECT_TRUE(run_.is_under_way());
  run_.Settle(*settled);
  EXPECT_EQ(parts_.state.alarm_due_ms(), 5000);
  run_.OnReleased(*settled, false);
  EXPECT_THAT(parts_.host.alarms_done, ElementsAre(5000));
}

TEST_F(AlarmRunTest, AnAlarmThatIsSetWhileTheOutputTravelsCounts) {
  const HubContext context = Run(0);
  const auto settled = run_.Finish(context, true);
  run_.OnChanged();
  parts_.state.SetAlarm(9000);
  run_.Settle(*settled);
  EXPECT_EQ(parts_.state.alarm_due_ms(), 9000);
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
  EXPECT_EQ(parts_.state.alarm_due_ms(), 0);
}

TEST_F(AlarmRunTest, WhenTheStoreFailsItRingsAgainAndNothingIsChanged) {
  run_.Begin();
  EXPECT_FALSE(run_.Fail(Hub::Failure::kStore, 0, false));
  EXPECT_FALSE(run_.Fail(Hub::Failure::kHandler, 0, true)) << "nothing can be committed";
  EXPECT_FALSE(run_.is_under_way());
  ASSERT_EQ(parts_.host.alarms_done.size(), 2u);
  EXPECT_GT(parts_.host.alarms_done[0], WallMs());
  EXPECT_EQ(parts_.state.alarm_failures(), 0u);
}

TEST_F(AlarmRunTest, APoisonousAlarmIsDroppedOrWaitsForTheEndOfTheQuarantine) {
  const int64_t end_ms = WallMs() + 60'000;
  ASSERT_TRUE(run_.Fail(Hub::Failure::kPoison, end_ms, false));
  EXPECT_EQ(parts_.state.NextDue(), end_ms);
  EXPECT_TRUE(run_.is_under_way()) << "it is answered with the commit";
  parts_.state.SetAlarm(1000);
  ASSERT_TRUE(run_.Fail(Hub::Failure::kPoison, 0, false));
  EXPECT_EQ(parts_.state.alarm_due_ms(), 0);
}

}  // namespace
}  // namespace dormouse
