// Two lanes as one.

#include "statekeeper/runtime/lane/lane_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <mutex>

#include "common/temp_dir.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/open_store.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr uint32_t kShards = 8;

// Notes what a lane was told, and holds its Quiesce back.
class NotingLinks : public GatewayLinks {
 public:
  struct Notes {
    std::mutex mutex;
    std::vector<ShardEpoch> owned;
    std::vector<ShardId> disowned;
    std::vector<std::function<void()>> quiescing;
  };
  explicit NotingLinks(Notes* notes) : notes_(notes) {}

  void Release(EventOutput) override {}
  void Recall(const ConnectionId&, ShardId, uint32_t, Recalled done) override { done({}); }
  void Own(const std::vector<ShardEpoch>& shards) override {
    const std::scoped_lock lock(notes_->mutex);
    notes_->owned.insert(notes_->owned.end(), shards.begin(), shards.end());
  }
  void Disown(const std::vector<ShardId>& shards) override {
    const std::scoped_lock lock(notes_->mutex);
    notes_->disowned.insert(notes_->disowned.end(), shards.begin(), shards.end());
  }
  void Quiesce(const std::vector<ShardEpoch>&, std::function<void()> done) override {
    const std::scoped_lock lock(notes_->mutex);
    notes_->quiescing.push_back(std::move(done));
  }
  std::vector<GatewayId> Linked() const override { return {}; }
  bool IsPresent(GatewayId) const override { return true; }
  void Hold(bool) override {}
  void Flush() override {}
  Traffic traffic() const override { return {}; }

 private:
  Notes* const notes_;
};

class LaneShardsTest : public testing::Test {
 protected:
  LaneShardsTest() {
    StoreConfig store_config;
    store_config.url = "file:" + directory_ / "test.db";
    store_config.owner = "me";
    store_config.shard_count = kShards;
    std::string error;
    stores_ = OpenStore(store_config, &error);
    EXPECT_NE(stores_, nullptr) << error;
    lease_.Renew(Lease::kForever);
    for (uint32_t i = 0; i < 2; ++i) {
      Lane::Config config;
      config.lane = i;
      config.shard_count = kShards;
      config.hibernate_after = Duration(10'000);
      config.reap_interval = Duration(3'600'000);
      config.gateway_grace = Duration(60'000);
      config.suspects = &suspects_;
      config.lease = &lease_;
      config.fenced = [](ShardEpoch) {};
      lanes_.push_back(std::make_unique<Lane>(config, &classes_, stores_.get(), &registry_));
      lanes_[i]->Start(std::make_unique<NotingLinks>(&notes_[i])).wait();
    }
    shards_ = std::make_unique<LaneShards>(std::vector<Lane*>{lanes_[0].get(), lanes_[1].get()}, kShards);
  }
  ~LaneShardsTest() override {
    for (const auto& lane : lanes_) lane->Stop(Duration(0));
  }

  void Serve(const std::vector<TakenShard>& shards) {
    std::promise<void> served;
    shards_->Serve(shards, [&] { served.set_value(); });
    served.get_future().wait();
  }
  // Waits until both lanes have carried out what they were told.
  void Pass() {
    for (const auto& lane : lanes_) {
      std::promise<void> passed;
      lane->Post([&] { passed.set_value(); });
      passed.get_future().wait();
    }
  }
  bool AwaitQuiescing(int lane) {
    for (int looks = 0; looks < 100'000; ++looks) {
      Pass();
      const std::scoped_lock lock(notes_[lane].mutex);
      if (!notes_[lane].quiescing.empty()) return true;
    }
    return false;
  }
  void EndQuiescing(int lane) {
    lanes_[lane]->Post([this, lane] { notes_[lane].quiescing.front()(); });
  }

  const TempDir directory_;
  HubClassRegistry classes_;
  prometheus::Registry registry_;
  std::unique_ptr<StoreFactory> stores_;
  Lease lease_;
  SuspectTurn suspects_;
  NotingLinks::Notes notes_[2];
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<LaneShards> shards_;
};

TEST_F(LaneShardsTest, EachShardIsServedByItsLane) {
  Serve({{0, 5}, {1, 6}, {2, 7}, {5, 8}});
  EXPECT_THAT(notes_[0].owned, UnorderedElementsAre(ShardEpoch{0, 5}, ShardEpoch{2, 7}));
  EXPECT_THAT(notes_[1].owned, UnorderedElementsAre(ShardEpoch{1, 6}, ShardEpoch{5, 8}));
  shards_->Drop({{2, 7}, {5, 7}});
  Pass();
  EXPECT_THAT(notes_[0].disowned, ElementsAre(2));
  EXPECT_TRUE(notes_[1].disowned.empty()) << "it is served in a later epoch";
}

TEST_F(LaneShardsTest, AHandOverIsPreparedWhenAllLanesAreDone) {
  Serve({{0, 5}, {1, 6}});
  std::promise<void> retired;
  std::future<void> future = retired.get_future();
  shards_->Retire({0, 1}, Duration(60'000), [&] { retired.set_value(); });
  ASSERT_TRUE(AwaitQuiescing(0));
  ASSERT_TRUE(AwaitQuiescing(1));
  EndQuiescing(1);
  Pass();
  EXPECT_NE(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EndQuiescing(0);
  EXPECT_EQ(future.wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(LaneShardsTest, NothingToDoIsDone) {
  Serve({});
  std::promise<void> retired;
  shards_->Retire({3}, Duration(60'000), [&] { retired.set_value(); });  // served nowhere
  EXPECT_EQ(retired.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(LaneShardsTest, AnOperatorsQuestionAboutAShardThatIsElsewhereIsRefused) {
  std::promise<OperatorStatus> hubs;
  shards_->ListHubs(3, "", 10, [&](OperatorStatus status, const auto&) { hubs.set_value(status); });
  EXPECT_EQ(hubs.get_future().get(), OperatorStatus::kNotOwner);
  std::promise<OperatorStatus> hub;
  shards_->DescribeHub("echo/h", [&](OperatorStatus status, const auto&) { hub.set_value(status); });
  EXPECT_EQ(hub.get_future().get(), OperatorStatus::kNotOwner);
}

TEST_F(LaneShardsTest, AnOperatorsQuestionGoesToTheLaneOfTheHub) {
  for (ShardId shard = 0; shard < kShards; ++shard) Serve({{shard, 5}});
  for (int i = 0; i < 20; ++i) {
    std::promise<OperatorStatus> hub;
    shards_->HibernateHub("nonsense/" + std::to_string(i),
                          [&](OperatorStatus status) { hub.set_value(status); });
    EXPECT_EQ(hub.get_future().get(), OperatorStatus::kNoSuchHub);
  }
}

}  // namespace
}  // namespace dormouse
