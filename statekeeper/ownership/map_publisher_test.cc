#include "statekeeper/ownership/map_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kShards = 4;

Member Serving(MemberId id) {
  Member member;
  member.id = id;
  member.address = "host:" + std::to_string(id);
  member.app_http = "/run/app-" + std::to_string(id);
  member.state = MemberState::kServing;
  return member;
}

class MapPublisherTest : public testing::Test {
 protected:
  MapPublisherTest() {
    lease_.Renew(Lease::kForever);
    std::vector<MemberEntry> entries;
    for (const MemberId id : {5, 6}) entries.push_back({PrintMemberId(id), PrintMember(Serving(id))});
    membership_.Learn(entries, now_);
    table_.Set(0, {5, 100, 0});
    table_.Set(1, {6, 101, 5});
    table_.Set(2, {77, 102, 0});  // does not live any more
  }
  // After a while, if so much of it is to be new.
  void Publish(Duration after = Duration(1'000)) {
    now_ += after;
    publisher_.Publish(table_, now_);
  }
  const link::ShardMap& map() const { return maps_.back(); }

  SteadyTime now_ = SteadyClock::now();
  Lease lease_;
  Membership membership_{Serving(5)};
  ShardTable table_{kShards};
  std::vector<link::ShardMap> maps_;
  int withdrawals_ = 0;
  MapPublisher publisher_{{.shard_count = kShards,
                           .cluster_id = "cluster",
                           .publish = [this](link::ShardMap map) { maps_.push_back(std::move(map)); },
                           .withdraw = [this] { ++withdrawals_; }},
                          &membership_,
                          &lease_};
};

TEST_F(MapPublisherTest, AMapNamesOwnersThatLiveByTheirPlaceAmongTheMembers) {
  publisher_.MarkChanged();
  Publish();
  ASSERT_EQ(maps_.size(), 1u);
  EXPECT_EQ(map().members(1).incarnation(), 6u);
  EXPECT_EQ(map().members(1).address(), "host:6");
  EXPECT_EQ(map().members(1).app_http(), "/run/app-6");
  EXPECT_THAT(map().owner(), ElementsAre(0, 1, 2, 2)) << "past the last: none";
  EXPECT_THAT(map().epoch(), ElementsAre(100, 101, 102, 0));
}

TEST_F(MapPublisherTest, OnlyWhatIsNewIsPublishedAndNotTooOften) {
  Publish();
  EXPECT_TRUE(maps_.empty());
  publisher_.MarkChanged();
  Publish();
  publisher_.MarkChanged();
  Publish(Duration(1));
  EXPECT_EQ(maps_.size(), 1u);
  publisher_.PublishNow(table_, now_);
  ASSERT_EQ(maps_.size(), 2u);
  EXPECT_GT(maps_[1].version(), maps_[0].version());
  EXPECT_FALSE(publisher_.is_changed());
}

TEST_F(MapPublisherTest, WithoutItsLeaseItSendsGatewaysToOthersAndComesBack) {
  publisher_.MarkChanged();
  Publish();
  lease_.Renew(0);
  Publish(Duration(0));
  Publish();
  EXPECT_EQ(withdrawals_, 1);
  EXPECT_EQ(maps_.size(), 1u);
  EXPECT_EQ(publisher_.View()->members[0].state, MemberState::kCutOff);
  EXPECT_EQ(publisher_.View()->members[0].shards, 0u);
  lease_.Renew(Lease::kForever);
  Publish();
  EXPECT_EQ(maps_.size(), 2u);
  EXPECT_EQ(publisher_.View()->members[0].state, MemberState::kServing);
}

TEST_F(MapPublisherTest, OperatorsSeeMembersTheirShardsAndWhatIsAvoided) {
  EXPECT_EQ(publisher_.View()->shard_count, kShards) << "before anything is known";
  publisher_.MarkChanged();
  Publish();
  const ClusterView view = *publisher_.View();
  EXPECT_EQ(view.cluster_id, "cluster");
  ASSERT_EQ(view.members.size(), 2u);
  EXPECT_TRUE(view.members[0].is_self);
  EXPECT_EQ(view.members[0].shards, 1u);
  EXPECT_FALSE(view.members[1].is_self);
  EXPECT_FALSE(view.members[1].suspected);
  ASSERT_EQ(view.shards.size(), kShards);
  EXPECT_EQ(view.shards[1].avoid, PrintMemberId(5));
}

TEST_F(MapPublisherTest, NewClassesAreNews) {
  link::ClassProfile profile;
  profile.set_name("echo");
  publisher_.ChangeClasses({profile});
  Publish();
  ASSERT_EQ(map().classes_size(), 1);
  EXPECT_THAT(publisher_.View()->classes, ElementsAre("echo"));
}

}  // namespace
}  // namespace dormouse
