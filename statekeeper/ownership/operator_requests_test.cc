#include "statekeeper/ownership/operator_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "statekeeper/ownership/shards/testing/keeper_stage.h"

namespace dormouse {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kFirst = MemoryCluster::kFirstEpoch;

class OperatorRequestsTest : public testing::Test, protected KeeperStage {
 protected:
  // The members are these; this one as it is now.
  void Learn(const std::vector<MemberId>& others) {
    std::vector<MemberEntry> entries = {{PrintMemberId(kSelf), PrintMember(membership.self())}};
    std::vector<MemberId> serving = others;
    if (membership.self().state == MemberState::kServing) serving.insert(serving.begin(), kSelf);
    for (const MemberId id : others) {
      Member member;
      member.id = id;
      member.state = MemberState::kServing;
      entries.push_back({PrintMemberId(id), PrintMember(member)});
    }
    membership.Learn(entries, now);
    SetMembers(serving);
  }
  OperatorRequests::Done Answer() {
    return [this](std::string error) { answer = std::move(error); };
  }
  void Settle(bool store_is_lost = false) { requests.Settle(store_is_lost, now); }
  static Member Self() {
    Member self;
    self.id = kSelf;
    self.state = MemberState::kServing;
    return self;
  }
  // It has everything, beside these.
  void Serve(const std::vector<MemberId>& others) {
    Learn({});
    Plan();
    Learn(others);
  }
  void MoveAll() {
    while (keeper.held() > 0) {
      Plan();
      while (!peers.made.empty()) peers.Claim();
    }
  }

  SteadyTime now = SteadyClock::now();
  Membership membership{Self()};
  std::optional<std::string> answer;
  int published = 0;
  OperatorRequests requests{
      &membership,
      &keeper,
      {[this](MemberState state) { membership.SetState(state); }, [this] { ++published; }}};
};

TEST_F(OperatorRequestsTest, AnEvictionIsDoneWhenAnotherEpochHasBegun) {
  Serve({});
  requests.Evict({3}, Answer(), now);
  Settle();
  EXPECT_EQ(answer, std::nullopt);
  EXPECT_TRUE(requests.has_evictions());
  Plan();
  Settle();
  EXPECT_EQ(answer, "");
  EXPECT_EQ(published, 1) << "before that";
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst + 1);
  EXPECT_FALSE(requests.has_evictions());
}

TEST_F(OperatorRequestsTest, WhatIsNotServedHereIsNotEvictedNorAnythingBesideIt) {
  Serve({});
  Tell(5, kFirst + 1, kOther);
  requests.Evict({3, 5}, Answer(), now);
  EXPECT_THAT(answer.value(), HasSubstr("shard 5 is not served by this statekeeper"));
  Plan(/*may_force=*/false);
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst);
  requests.Evict({kShards}, Answer(), now);
  EXPECT_NE(answer, "");
}

TEST_F(OperatorRequestsTest, AnEvictionThatDoesNotComeAboutIsSaid) {
  Serve({kOther});
  peers.unreachable = {kOther};
  requests.Evict({3}, Answer(), now);
  Plan();
  Settle();
  EXPECT_EQ(answer, std::nullopt);
  now += Duration(10'000);
  Settle();
  EXPECT_THAT(answer.value(), HasSubstr("1 shards have not moved within 10 s"));
}

TEST_F(OperatorRequestsTest, ADrainIsDoneWhenNothingIsLeftAndTheStoreKnowsIt) {
  Serve({kOther});
  requests.Drain(true, Answer());
  EXPECT_EQ(membership.self().state, MemberState::kDraining);
  Settle();
  EXPECT_EQ(answer, std::nullopt);
  Learn({kOther});
  Settle();
  EXPECT_EQ(answer, std::nullopt);
  MoveAll();
  Settle();
  EXPECT_EQ(answer, "");
  EXPECT_EQ(published, 1);
  EXPECT_EQ(membership.self().state, MemberState::kDraining) << "until it is told otherwise";
}

TEST_F(OperatorRequestsTest, WithoutAnotherMemberADrainFailsAndItServesOn) {
  Serve({});
  requests.Drain(true, Answer());
  Settle();
  EXPECT_THAT(answer.value(), HasSubstr("no other statekeeper"));
  EXPECT_EQ(membership.self().state, MemberState::kServing);
}

TEST_F(OperatorRequestsTest, ADrainIsEndedByAnotherOperator) {
  Serve({kOther});
  requests.Drain(true, Answer());
  std::optional<std::string> second;
  requests.Drain(false, [&second](std::string error) { second = std::move(error); });
  EXPECT_THAT(answer.value(), HasSubstr("ended by another operator"));
  EXPECT_EQ(second, "");
  EXPECT_EQ(membership.self().state, MemberState::kServing);
}

TEST_F(OperatorRequestsTest, AHandOverEndsWhenNothingIsLeft) {
  Serve({kOther});
  bool is_over = false;
  requests.HandOver(now + Duration(60'000), [&is_over] { is_over = true; });
  Learn({kOther});
  Settle();
  EXPECT_FALSE(is_over);
  requests.Drain(false, Answer());
  EXPECT_THAT(answer.value(), HasSubstr("is stopping"));
  MoveAll();
  Settle();
  EXPECT_TRUE(is_over);
}

TEST_F(OperatorRequestsTest, AHandOverDoesNotWaitForNobodyNorForALostStoreNorForEver) {
  Serve({kOther});
  int ends = 0;
  const auto hand_over = [&] { requests.HandOver(now + Duration(60'000), [&ends] { ++ends; }); };
  hand_over();
  Settle(/*store_is_lost=*/true);
  EXPECT_EQ(ends, 1);
  hand_over();
  Learn({});
  Settle();
  EXPECT_EQ(ends, 2);
  Learn({kOther});
  hand_over();
  Settle();
  EXPECT_EQ(ends, 2);
  now += Duration(60'000);
  Settle();
  EXPECT_EQ(ends, 3);
}

TEST_F(OperatorRequestsTest, AMemberThatStopsDoesNotServeOnBecauseADrainFails) {
  Serve({});
  requests.HandOver(now, [] {});
  Settle();
  requests.Drain(true, Answer());
  Settle();
  EXPECT_THAT(answer.value(), HasSubstr("no other statekeeper"));
  EXPECT_EQ(membership.self().state, MemberState::kDraining);
}

}  // namespace
}  // namespace dormouse
