#include "statekeeper/fitness.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

using Reports = std::vector<StoreReport>;
const StoreReport kWell{StoreState::kWell, ""};

TEST(FitnessTest, WhoServesAllIsReady) {
  const AdminServer::Readiness ready = JudgeFitness({.stores = {kWell, kWell}});
  EXPECT_TRUE(ready.ready);
  EXPECT_TRUE(ready.degraded.empty());
}

TEST(FitnessTest, AStoreThatAnswersWithRefusalsMakesItUnready) {
  const AdminServer::Readiness ready =
      JudgeFitness({.stores = {kWell, {StoreState::kRefuses, "OOM command not allowed"}}});
  EXPECT_FALSE(ready.ready);
  EXPECT_EQ(ready.detail, "the store refuses changes: OOM command not allowed");
}

TEST(FitnessTest, WhoServesMostIsReadyAndSaysWhatIsWrong) {
  const AdminServer::Readiness ready =
      JudgeFitness({.membership_store = {StoreState::kAway, ""},
                    .stores = {kWell, {StoreState::kPartly, "one node is gone"}}});
  EXPECT_TRUE(ready.ready);
  EXPECT_EQ(ready.degraded, std::vector<std::string>{"the store serves in part only: one node is gone"});
}

TEST(FitnessTest, EveryCauseIsNamed) {
  const AdminServer::Readiness ready = JudgeFitness(
      {.membership = "the others cannot reach it", .stores = {{StoreState::kAway, "Connection refused"}}});
  EXPECT_FALSE(ready.ready);
  EXPECT_EQ(ready.detail, "the store does not answer: Connection refused; the others cannot reach it");
}

TEST(FitnessTest, AStoreThatSaysNothingAtAllIsFoundOutByTheMembership) {
  EXPECT_EQ(JudgeFitness({.membership_store = {StoreState::kAway, ""}, .stores = {kWell}}).detail,
            "the store does not answer");
}

TEST(FitnessTest, OneThatAnswersWithErrorsIsNotSilent) {
  EXPECT_EQ(JudgeFitness({.membership_store = {StoreState::kRefuses, "NOPERM"}, .stores = {kWell}}).detail,
            "the store refuses changes: NOPERM");
}

TEST(FitnessTest, WhoIsStoppingSaysOnlyThat) {
  EXPECT_EQ(JudgeFitness({.stopping = true, .membership = "else"}).detail, "stopping");
}

}  // namespace
}  // namespace dormouse
