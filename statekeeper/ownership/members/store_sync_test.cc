#include "statekeeper/ownership/members/store_sync.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "statekeeper/ownership/members/testing/manual_loop.h"
#include "statekeeper/ownership/members/testing/memory_cluster.h"

namespace dormouse {
namespace {

constexpr Duration kTtl{3'000};

class StoreSyncTest : public testing::Test {
 protected:
  void Send(const std::string& record = "me") {
    sync_.Send(now_, record);
    loop_.RunAll();
  }
  bool IsDue(bool suspicion = false) { return sync_.IsDue(now_, suspicion); }
  void Pass(Duration time) { now_ += time; }

  ManualLoop loop_;
  MemoryCluster cluster_;
  std::unique_ptr<ClusterStore> store_ = cluster_.NewStore(loop_.get(), "me");
  prometheus::Registry registry_;
  OwnershipMetrics metrics_{&registry_};
  std::vector<SyncAnswer> answers_;
  int changes_ = 0;
  SteadyTime now_ = SteadyClock::now();
  StoreSync sync_{kTtl,
                  store_.get(),
                  &metrics_,
                  {[this](SteadyTime sent, const SyncAnswer& answer) {
                     EXPECT_EQ(sent, now_);
                     answers_.push_back(answer);
                   },
                   [this] { ++changes_; }}};
};

TEST_F(StoreSyncTest, ItRenewsEachThirdOfATtl) {
  EXPECT_TRUE(IsDue()) << "the first at once";
  Send();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].members.size(), 1u);
  Pass(kTtl / 3 - Duration(1));
  EXPECT_FALSE(IsDue());
  Pass(Duration(1));
  EXPECT_TRUE(IsDue());
}

TEST_F(StoreSyncTest, WhatIsWantedIsDueAlmostAtOnce) {
  Send();
  sync_.WantSoon();
  EXPECT_FALSE(IsDue()) << "but not in the same moment";
  Pass(Duration(20));
  EXPECT_TRUE(IsDue());
  Send();
  EXPECT_FALSE(sync_.is_wanted());
}

TEST_F(StoreSyncTest, WhileASuspicionIsPendingItLooksOftenButNotForEver) {
  Send();
  EXPECT_FALSE(IsDue(true));
  Pass(Duration(100));
  EXPECT_TRUE(IsDue(true));
  EXPECT_FALSE(IsDue(false)) << "it is decided";
  EXPECT_TRUE(IsDue(true)) << "another one begins";
  Pass(kTtl);
  Send();
  Pass(Duration(100));
  EXPECT_FALSE(IsDue(true)) << "they do not come to agree";
}

TEST_F(StoreSyncTest, OthersAreToLookOnceTheStoreHasWhatIsNew) {
  Send("me");
  EXPECT_EQ(changes_, 1);
  Send("me");
  EXPECT_EQ(changes_, 1);
  cluster_.GoAway();
  Send("me, draining");
  EXPECT_EQ(changes_, 1) << "the store does not have it yet";
  cluster_.ComeBack();
  loop_.RunAll();
  EXPECT_EQ(changes_, 2);
}

TEST_F(StoreSyncTest, AnUnansweredSyncIsSilenceAndNoOtherIsSent) {
  Send();
  cluster_.GoAway();
  Pass(kTtl);
  const SteadyTime before = now_ - kTtl;
  Send();
  EXPECT_TRUE(sync_.ReachesStore(now_)) << "the answer may be in time";
  EXPECT_TRUE(sync_.ReachesStore(now_ + StoreSync::SilenceOf(kTtl)));
  EXPECT_FALSE(sync_.ReachesStore(now_ + StoreSync::SilenceOf(kTtl) + Duration(1)));
  EXPECT_FALSE(sync_.IsDue(now_ + kTtl, false));
  const SteadyTime later = now_ + kTtl;
  EXPECT_TRUE(sync_.IsSilentFor(later - before - Duration(1), later));
  EXPECT_EQ(sync_.TroubleFor(later - before - Duration(1), later), (StoreReport{StoreState::kAway, ""}));
  EXPECT_FALSE(sync_.IsSilentFor(later - before, later));
  EXPECT_EQ(sync_.TroubleFor(later - before, later).state, StoreState::kWell);
  cluster_.ComeBack();
  loop_.RunAll();
  EXPECT_TRUE(sync_.ReachesStore(later));
  EXPECT_FALSE(sync_.IsSilentFor(Duration(0), later));
}

TEST_F(StoreSyncTest, AFailureIsTriedAgainSoon) {
  cluster_.FailSyncs(1);
  Send();
  EXPECT_TRUE(sync_.has_failed());
  EXPECT_FALSE(sync_.ReachesStore(now_));
  EXPECT_EQ(metrics_.sync_failures.Value(), 1);
  sync_.WantSoon();
  Pass(Duration(100));
  EXPECT_FALSE(IsDue()) << "however much it is wanted";
  Pass(Duration(150));
  EXPECT_TRUE(IsDue());
  Send();
  EXPECT_FALSE(sync_.has_failed());
  EXPECT_EQ(answers_.size(), 1u);
}

TEST_F(StoreSyncTest, AStoreThatHasLostTimeIsCounted) {
  Send();
  cluster_.GoBackInTime(0, "");
  Send();
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_TRUE(answers_[1].lost_time);
  EXPECT_EQ(metrics_.store_losses.Value(), 1);
}

TEST_F(StoreSyncTest, ItIsToldOnlyWhatChangesOfTheTable) {
  store_->Publish({{3, 1'000, "me", ""}}, [](StoreStatus) {});
  Send();
  EXPECT_EQ(answers_.back().changed.size(), 1u);
  Send();
  EXPECT_TRUE(answers_.back().changed.empty());
}

TEST_F(StoreSyncTest, AMemberThatLeavesIsNotBroughtBack) {
  Send();
  sync_.End();
  sync_.WantSoon();
  Pass(kTtl);
  EXPECT_FALSE(IsDue());
}

}  // namespace
}  // namespace dormouse
