#include "statekeeper/link/gateway_table.h"

#include <gmock/gmock.h>

#include "common/clock.h"
#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class GatewayTableTest : public GatewayFixture {};

TEST_F(GatewayTableTest, OneThatWasNeverSeenMayYetCome) {
  EXPECT_TRUE(gateways_.IsPresent(kOwn));
  EXPECT_EQ(gateways_.Find(kOwn), nullptr);
  EXPECT_NE(gateways_.FindPresent(kOwn), nullptr);
  EXPECT_NE(gateways_.Find(kOwn), nullptr);
  GatewayTable late(Duration(0), {.owned = &owned_, .schedule = schedule_.get()});
  EXPECT_FALSE(late.IsPresent(kOwn));
  EXPECT_EQ(late.FindPresent(kOwn), nullptr);
}

TEST_F(GatewayTableTest, OneThatWasGivenUpIsGoneUntilItComesBack) {
  Link(kOwn);
  EXPECT_EQ(gateways_.Remove(kOwn)->id(), kOwn);
  EXPECT_FALSE(gateways_.IsPresent(kOwn));
  EXPECT_EQ(gateways_.FindPresent(kOwn), nullptr);
  EXPECT_TRUE(gateways_.Readmit(kOwn));
  EXPECT_FALSE(gateways_.Readmit(kOwn));
}

TEST_F(GatewayTableTest, OfTheGivenUpOnlyTheLatestAreRemembered) {
  for (GatewayId id = 1; id <= GatewayTable::kMaxGateways + 1; ++id) {
    gateways_.Add(id);
    gateways_.Remove(id);
  }
  EXPECT_FALSE(gateways_.Readmit(1));
  EXPECT_TRUE(gateways_.Readmit(2));
}

TEST_F(GatewayTableTest, WhoseStreamsAreGoneForTheGracePeriodIsOverdue) {
  Link(kOwn);
  Link(kOther)->OnLost();
  const int64_t then = gateways_.Find(kOther)->unlinked_ms() + 60'000;
  EXPECT_THAT(gateways_.Overdue(then - 1), IsEmpty());
  EXPECT_THAT(gateways_.Overdue(then), ElementsAre(kOther));
  EXPECT_EQ(gateways_.NextOverdueMs(then), then);
}

}  // namespace
}  // namespace dormouse
