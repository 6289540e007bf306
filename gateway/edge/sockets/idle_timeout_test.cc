#include "gateway/edge/sockets/idle_timeout.h"

#include <gtest/gtest.h>

#include <memory>

#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {
namespace {

constexpr int64_t kOpened = 1'000'000;

class IdleTimeoutTest : public testing::Test {
 protected:
  IdleTimeoutTest() {
    connection_.hub_class = &hub_class_;
    connection_.io.fd = -1;  // no socket says anything
    connection_.last_seen_ms = kOpened;
  }
  static link::ClassProfile Profile(uint64_t timeout_ms) {
    link::ClassProfile profile;
    profile.set_idle_timeout_ms(timeout_ms);
    profile.set_idle_check_ms(100);
    return profile;
  }

  HubClassEdge hub_class_{"room", Profile(1000)};
  PartialBudget budget_{1 << 20};
  Connection connection_;
};

TEST_F(IdleTimeoutTest, PassesWhenTheSocketWasSilentForSoLong) {
  EXPECT_FALSE(CheckIdleTimeout(&connection_, kOpened + 999).expired);
  EXPECT_TRUE(CheckIdleTimeout(&connection_, kOpened + 1000).expired);
}

TEST_F(IdleTimeoutTest, IsLookedAtAgainOnceItMayHavePassedButNotTooOften) {
  EXPECT_EQ(CheckIdleTimeout(&connection_, kOpened + 10).next_ms, kOpened + 1000);
  EXPECT_EQ(CheckIdleTimeout(&connection_, kOpened + 950).next_ms, kOpened + 1050);
  hub_class_.Replace(Profile(0));
  EXPECT_EQ(CheckIdleTimeout(&connection_, kOpened + 5000).next_ms, Deadline::kNever);
}

TEST_F(IdleTimeoutTest, AMessageUnderWayCountsFromItsFirstPiece) {
  connection_.partial = std::make_unique<PartialMessage>(&budget_, 0, kOpened);
  connection_.last_seen_ms = kOpened + 900;
  EXPECT_TRUE(CheckIdleTimeout(&connection_, kOpened + 1000).expired);
}

TEST_F(IdleTimeoutTest, WhoIsNotReadIsNotSilent) {
  for (const auto wait :
       {+[](Connection* c) { c->congested = true; }, +[](Connection* c) { c->window_full = true; },
        +[](Connection* c) { c->awaits_dispatch = true; }}) {
    Connection connection;
    connection.hub_class = &hub_class_;
    connection.io.fd = -1;
    connection.last_seen_ms = kOpened;
    wait(&connection);
    const Deadline deadline = CheckIdleTimeout(&connection, kOpened + 5000);
    EXPECT_FALSE(deadline.expired);
    EXPECT_EQ(deadline.next_ms, kOpened + 5100);
  }
}

}  // namespace
}  // namespace dormouse::edge
