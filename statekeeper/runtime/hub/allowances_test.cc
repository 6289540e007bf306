#include "statekeeper/runtime/hub/allowances.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPerSecond{50};
ConnectionId Connection(uint64_t n) { return {1, UuidLow(n)}; }

class AllowancesTest : public testing::Test {
 protected:
  void Charge(uint64_t connection, milliseconds used) {
    all_.Charge(Connection(connection), used, now_ - used, now_);
  }
  milliseconds Wait(uint64_t connection) {
    return std::chrono::duration_cast<milliseconds>(all_.Wait(Connection(connection), now_));
  }

  Allowances all_{kPerSecond};
  Allowances::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(AllowancesTest, CheapMessagesOpenNoAccount) {
  for (uint64_t i = 0; i < 1000; ++i) all_.Charge(Connection(i), std::chrono::microseconds(999), now_, now_);
  EXPECT_TRUE(all_.empty());
  EXPECT_FALSE(all_.Counts(std::chrono::microseconds(999)));
  EXPECT_TRUE(all_.Counts(milliseconds(1)));
}

TEST_F(AllowancesTest, WhoHasSpentWhatASecondGivesWaits) {
  Charge(1, milliseconds(40));
  EXPECT_EQ(Wait(1), milliseconds(0));
  Charge(1, milliseconds(30));  // 20 too much: 0.4 s
  EXPECT_NEAR(static_cast<double>(Wait(1).count()), 400, 2);
  EXPECT_EQ(Wait(2), milliseconds(0)) << "another one";
  now_ += milliseconds(300);
  EXPECT_NEAR(static_cast<double>(Wait(1).count()), 100, 2);
  now_ += milliseconds(102);
  EXPECT_EQ(Wait(1), milliseconds(0));
}

TEST_F(AllowancesTest, CheapMessagesOfASpenderCountToo) {
  Charge(1, milliseconds(49));
  for (int i = 0; i < 4; ++i) all_.Charge(Connection(1), std::chrono::microseconds(500), now_, now_);
  EXPECT_GT(Wait(1), milliseconds(0));
}

TEST_F(AllowancesTest, NobodysAccountFillsUpWhileAMessageWaitsForAProcessor) {
  Charge(1, milliseconds(70));
  const milliseconds wait = Wait(1);
  // The first of a connection without an account, as all of them are at the beginning.
  const auto began = now_;
  now_ += milliseconds(300);
  all_.Charge(Connection(2), milliseconds(5), began, now_);
  EXPECT_GE(Wait(1), wait);
}

TEST_F(AllowancesTest, ADebtHasABound) {
  Charge(1, std::chrono::hours(1));
  EXPECT_NEAR(static_cast<double>(Wait(1).count()), 20'000, 2);
}

TEST_F(AllowancesTest, AccountsThatAreFullAgainGo) {
  for (uint64_t i = 0; i < 10; ++i) Charge(i, milliseconds(2));
  EXPECT_EQ(all_.accounts(), 10u);
  now_ += milliseconds(1000);
  Charge(11, milliseconds(2));
  EXPECT_EQ(all_.accounts(), 1u);
  all_.Forget(Connection(11));
  EXPECT_TRUE(all_.empty());
}

TEST_F(AllowancesTest, TogetherSpendersGetHalfOfTheHubsTime) {
  constexpr uint64_t kSpenders = 100;
  milliseconds spent{0};
  for (uint64_t i = 0; i < kSpenders; ++i) Charge(i, kPerSecond);  // what each has at once
  for (int step = 0; step < 1000; ++step) {
    now_ += milliseconds(10);
    for (uint64_t i = 0; i < kSpenders; ++i) {
      if (Wait(i) > milliseconds(0)) continue;
      Charge(i, milliseconds(5));
      spent += milliseconds(5);
    }
  }
  EXPECT_GT(spent, milliseconds(4000));
  EXPECT_LT(spent, milliseconds(5600)) << "in ten seconds";
}

TEST_F(AllowancesTest, NothingFillsUpWhileTheHubIsBusyWithASpender) {
  Charge(1, milliseconds(60));
  Charge(2, milliseconds(2));
  const milliseconds before = Wait(1);
  EXPECT_GT(before, milliseconds(0));
  EXPECT_EQ(Wait(2), milliseconds(0));
  const auto began = now_;
  now_ += std::chrono::seconds(10);  // in which its message got little of the processor
  all_.Charge(Connection(2), milliseconds(2), began, now_);
  EXPECT_EQ(Wait(1), before);
}

TEST_F(AllowancesTest, ZeroCountsNothing) {
  Allowances off{Allowances::Time::zero()};
  off.Charge(Connection(1), std::chrono::hours(1), now_, now_);
  EXPECT_TRUE(off.empty());
}

}  // namespace
}  // namespace dormouse
