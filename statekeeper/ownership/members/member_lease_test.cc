#include "statekeeper/ownership/members/member_lease.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

// So long that only what a test says makes a difference.
constexpr Duration kTtl{6'000'000};
constexpr Duration kLeaseTime{4'000'000};
constexpr Duration kSilence{300};

class MemberLeaseTest : public testing::Test {
 protected:
  const SteadyTime now_ = SteadyClock::now();
  Lease lease_;
  MemberLease member_{kTtl, /*shared=*/true, kSilence, &lease_};
};

TEST_F(MemberLeaseTest, ItIsGoodForTwoThirdsOfATtlFromWhenItsRenewalWasSent) {
  EXPECT_FALSE(member_.IsGood());
  member_.Renew(now_ - kLeaseTime - Duration(1), true, now_);
  EXPECT_FALSE(member_.IsGood());
  member_.Renew(now_ - kLeaseTime + Duration(600'000), true, now_);
  EXPECT_TRUE(member_.IsGood());
}

TEST_F(MemberLeaseTest, ARenewalThatTookLongShortensNothing) {
  member_.Renew(now_, true, now_);
  member_.Renew(now_ - kLeaseTime, true, now_);
  EXPECT_TRUE(member_.IsGood());
}

TEST_F(MemberLeaseTest, WhoHasTheStoreToHimselfNeedsNoOther) {
  MemberLease alone(kTtl, /*shared=*/false, kSilence, &lease_);
  alone.Renew(now_ - kTtl, true, now_);
  EXPECT_TRUE(alone.IsGood());
  alone.Prolong(now_ - kTtl);
  EXPECT_TRUE(alone.IsGood());
  alone.Renew(now_, false, now_ + kTtl);
  EXPECT_TRUE(alone.MayTakeByForce(now_ + kTtl));
}

TEST_F(MemberLeaseTest, ItIsProlongedWhileNobodyReachesTheStore) {
  member_.OnRunning(now_);
  member_.Prolong(now_ + Duration(3'600'000));
  EXPECT_TRUE(member_.IsGood());
}

TEST_F(MemberLeaseTest, AfterAPauseItIsNotProlongedBeforeAnybodyCouldAnswer) {
  member_.OnRunning(now_ + Duration(3'600'000));
  member_.Prolong(now_ + Duration(3'600'000) + kSilence);
  EXPECT_FALSE(member_.IsGood());
  member_.Prolong(now_ + Duration(3'600'001) + kSilence);
  EXPECT_TRUE(member_.IsGood());
}

TEST_F(MemberLeaseTest, AfterALateRenewalNothingIsTakenByForceForHalfATtl) {
  EXPECT_TRUE(member_.MayTakeByForce(now_));
  member_.Renew(now_, false, now_);
  EXPECT_TRUE(member_.MayTakeByForce(now_)) << "the first: others have had their time";
  member_.Renew(now_ + kTtl, true, now_ + kTtl);
  EXPECT_FALSE(member_.MayTakeByForce(now_ + kTtl));
  EXPECT_TRUE(member_.MayTakeByForce(now_ + kTtl + kTtl / 2));
}

TEST_F(MemberLeaseTest, AnEntryThatHadLapsedWasLateWhateverTheClocksSay) {
  member_.Renew(now_, true, now_);
  member_.Renew(now_ + Duration(1), true, now_ + Duration(1));
  EXPECT_TRUE(member_.MayTakeByForce(now_ + Duration(1)));
  member_.Renew(now_ + Duration(2), false, now_ + Duration(2));
  EXPECT_FALSE(member_.MayTakeByForce(now_ + Duration(2)));
}

}  // namespace
}  // namespace dormouse
