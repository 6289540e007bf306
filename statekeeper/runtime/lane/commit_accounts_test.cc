#include "statekeeper/runtime/lane/commit_accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CommitAccountsTest : public testing::Test {
 protected:
  CommitAccountsTest() { lane_.Serve(); }
  // Makes a commit of the hub, which the store answers so.
  StoreStatus Commit(StoreStatus answer) {
    StoreStatus status = StoreStatus::kError;
    lane_.host().fibers()->Run([&] {
      status = accounts_.Commit({shard_.shard, shard_.epoch, {{"test/a", {{"u/k", "v"}}, {}}}});
    });
    answer == StoreStatus::kOk ? lane_.store->Step() : lane_.store->FailStep(answer);
    return status;
  }

  HostedLane lane_;
  std::vector<ShardEpoch> fenced_;
  const ShardEpoch shard_{HostedLane::ShardOfHub("test/a"), 1};
  CommitAccounts accounts_{
      {lane_.host().store(), lane_.host().fibers(), &lane_.host().hubs(), lane_.links, &lane_.metrics()},
      [this](const ShardEpoch& shard) { fenced_.push_back(shard); }};
};

TEST_F(CommitAccountsTest, GatewaysLearnHowManyAreDurableAndReadingsWhatWasWritten) {
  const uint64_t reading = accounts_.readings().Add("test/a", shard_);
  lane_.links->commits.clear();
  EXPECT_EQ(Commit(StoreStatus::kOk), StoreStatus::kOk);
  EXPECT_EQ(lane_.links->commits.count(shard_.shard), 1u);
  EXPECT_EQ(accounts_.readings().Find(reading)->changes.size(), 1u);
  EXPECT_FALSE(accounts_.readings().Find(reading)->broken);
  EXPECT_EQ(lane_.metrics().commits.Value(), 1);
}

TEST_F(CommitAccountsTest, AFailedCommitBreaksReadingsForNobodyKnowsWhatItDid) {
  const uint64_t reading = accounts_.readings().Add("test/a", shard_);
  lane_.links->commits.clear();
  EXPECT_EQ(Commit(StoreStatus::kUnavailable), StoreStatus::kUnavailable);
  EXPECT_TRUE(accounts_.readings().Find(reading)->broken);
  EXPECT_THAT(lane_.links->commits, IsEmpty());
  EXPECT_EQ(lane_.metrics().commit_failures.Value(), 1);
  EXPECT_THAT(fenced_, IsEmpty());
}

TEST_F(CommitAccountsTest, ARefusedOneMeansThatAnotherOwnsTheShard) {
  EXPECT_EQ(Commit(StoreStatus::kFenced), StoreStatus::kFenced);
  EXPECT_THAT(fenced_, ElementsAre(shard_));
}

}  // namespace
}  // namespace dormouse
