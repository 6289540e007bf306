#include "statekeeper/store/redis/replica_waits.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

constexpr int kReplicas = 2;

TEST(ReplicaWaits, WhereNobodyHasToConfirmNothingWaits) {
  ReplicaWaits waits(0);
  waits.OnChange(1);
  EXPECT_FALSE(waits.IsDue());
  EXPECT_FALSE(waits.MustHold());
}

TEST(ReplicaWaits, AnswersAreHeldUntilEnoughHaveWhatWasChanged) {
  ReplicaWaits waits(kReplicas);
  EXPECT_FALSE(waits.MustHold()) << "nothing was changed yet";
  waits.OnChange(1);
  EXPECT_TRUE(waits.MustHold());
  ASSERT_TRUE(waits.IsDue());
  EXPECT_FALSE(waits.IsDue()) << "one behind all that was sent in a turn";
  waits.Wait(1);
  EXPECT_FALSE(waits.IsAnswer(0)) << "the change's own";
  EXPECT_TRUE(waits.IsAnswer(1));
  EXPECT_TRUE(waits.OnConfirmed(kReplicas, 1));
  EXPECT_FALSE(waits.MustHold());
}

TEST(ReplicaWaits, WhileReplicasAreLackingTheServerIsAskedWithoutWaiting) {
  ReplicaWaits waits(kReplicas);
  waits.OnChange(1);
  waits.IsDue();
  const std::string patient = waits.Wait(1);
  waits.IsAnswer(1);
  EXPECT_FALSE(waits.OnConfirmed(kReplicas - 1, 1));
  EXPECT_TRUE(waits.is_lacking());
  waits.OnChange(3);
  EXPECT_FALSE(waits.IsDue()) << "the timer asks";
  EXPECT_LT(waits.Wait(2).size(), patient.size()) << "1 ms in place of 500";
}

TEST(ReplicaWaits, WhatWasSentWhileTheyWereLackingIsAskedForWhenTheyAreBack) {
  ReplicaWaits waits(kReplicas);
  waits.OnChange(1);
  waits.Wait(1);
  waits.OnChange(3);
  waits.IsAnswer(1);
  EXPECT_TRUE(waits.OnConfirmed(kReplicas, 1));
  EXPECT_TRUE(waits.MustAskAgain());
  EXPECT_TRUE(waits.MustHold());
}

TEST(ReplicaWaits, ThatTheyAreLackingOutlivesAConnection) {
  ReplicaWaits waits(kReplicas);
  waits.OnChange(1);
  waits.Wait(1);
  waits.IsAnswer(1);
  waits.OnConfirmed(0, 1);
  waits.Forget();
  EXPECT_TRUE(waits.is_lacking());
  EXPECT_FALSE(waits.MustHold());
}

}  // namespace
}  // namespace dormouse
