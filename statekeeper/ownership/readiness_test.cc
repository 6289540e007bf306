#include "statekeeper/ownership/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using ::testing::HasSubstr;

class ReadinessTest : public testing::Test {
 protected:
  // A member that serves everything.
  Readiness::Facts facts_{.lease_is_good = true, .state = MemberState::kServing, .is_complete = true};
  std::string Judge() {
    readiness_.Update(facts_);
    return readiness_.NotReady();
  }
  Readiness readiness_;
};

TEST_F(ReadinessTest, WhoServesEverythingIsReady) {
  EXPECT_THAT(readiness_.NotReady(), HasSubstr("has not reached the store yet"));
  EXPECT_EQ(Judge(), "");
}

TEST_F(ReadinessTest, WhyNotIsASentence) {
  facts_.is_complete = false;
  EXPECT_THAT(Judge(), HasSubstr("does not serve all its shards yet"));
  facts_.state = MemberState::kJoining;
  EXPECT_THAT(Judge(), HasSubstr("joining"));
  facts_.address = "here:1";
  facts_.is_suspect = true;
  EXPECT_THAT(Judge(), HasSubstr("cannot reach it at here:1"));
  facts_.lease_is_good = false;
  EXPECT_THAT(Judge(), HasSubstr("cannot reach the store"));
}

TEST_F(ReadinessTest, WhatMovesLaterMakesNobodyUnready) {
  EXPECT_EQ(Judge(), "");
  facts_.is_complete = false;
  EXPECT_EQ(Judge(), "");
  EXPECT_TRUE(readiness_.was_complete());
}

TEST_F(ReadinessTest, AStoreThatIsNotToBeTrustedMakesItUnready) {
  facts_.store_is_unsafe = "it drops keys";
  EXPECT_EQ(Judge(), "it drops keys");
  facts_.store_is_unsafe = "";
  facts_.own_store_fails = true;
  EXPECT_THAT(Judge(), HasSubstr("the store's file"));
}

TEST_F(ReadinessTest, AStoreInTroubleIsSaidBesideIt) {
  EXPECT_EQ(readiness_.store_report().state, StoreState::kWell);
  facts_.store = {StoreState::kRefuses, "READONLY"};
  EXPECT_EQ(Judge(), "");
  EXPECT_EQ(readiness_.store_report(), facts_.store);
}

}  // namespace
}  // namespace dormouse
