#include "statekeeper/ownership/members/placement.h"

#include <gtest/gtest.h>

#include <map>

#include "common/ids.h"
#include "statekeeper/ownership/members/member.h"

namespace dormouse {
namespace {

constexpr uint32_t kShards = 1024;

Member Serving(MemberId id, int64_t started_ms = 0, std::vector<MemberId> unreachable = {}) {
  Member member;
  member.id = id;
  member.state = MemberState::kServing;
  member.started = WallTime(Duration(started_ms));
  member.unreachable = std::move(unreachable);
  return member;
}

Placement Of(const std::vector<MemberId>& ids) {
  std::vector<Member> members;
  members.reserve(ids.size());
  for (const MemberId id : ids) members.push_back(Serving(id));
  return Placement(members, {});
}

using Ids = std::vector<MemberId>;

TEST(Placement, BalancesShards) {
  // Ids as they are in life: random.
  std::vector<MemberId> ids(4);
  for (MemberId& id : ids) id = NewGatewayId();
  const Placement placement = Of(ids);
  std::map<MemberId, uint32_t> shards;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    ++shards[placement.DesiredOwner(static_cast<ShardId>(shard), 0)];
  }
  ASSERT_EQ(shards.size(), 4u);
  for (const auto& [id, count] : shards) {
    EXPECT_GT(count, kShards / 4 - 90);  // six standard deviations
    EXPECT_LT(count, kShards / 4 + 90);
  }
}

TEST(Placement, AFourthMemberGetsAQuarterAndNothingElseMoves) {
  const Placement three = Of({11, 22, 33});
  const Placement four = Of({11, 22, 33, 44});
  uint32_t moved = 0;
  for (uint32_t i = 0; i < kShards; ++i) {
    const auto shard = static_cast<ShardId>(i);
    const MemberId after = four.DesiredOwner(shard, 0);
    if (after == three.DesiredOwner(shard, 0)) continue;
    EXPECT_EQ(after, 44u);
    ++moved;
  }
  EXPECT_GT(moved, kShards / 4 - 90);
  EXPECT_LT(moved, kShards / 4 + 90);
}

TEST(Placement, AMemberThatLeavesMovesOnlyItsOwn) {
  const Placement three = Of({11, 22, 33});
  const Placement two = Of({11, 33});
  std::map<MemberId, uint32_t> heirs;
  for (uint32_t i = 0; i < kShards; ++i) {
    const auto shard = static_cast<ShardId>(i);
    if (three.DesiredOwner(shard, 0) == 22) {
      ++heirs[two.DesiredOwner(shard, 0)];
    } else {
      EXPECT_EQ(two.DesiredOwner(shard, 0), three.DesiredOwner(shard, 0));
    }
  }
  EXPECT_EQ(heirs.size(), 2u);
}

TEST(Placement, AvoidsAMemberWhereThereIsAnother) {
  const Placement three = Of({11, 22, 33});
  const Placement without = Of({11, 33});
  for (uint32_t i = 0; i < kShards; ++i) {
    const auto shard = static_cast<ShardId>(i);
    EXPECT_EQ(three.DesiredOwner(shard, 22), without.DesiredOwner(shard, 0));
    EXPECT_EQ(three.DesiredOwner(shard, 77), three.DesiredOwner(shard, 0));
  }
  EXPECT_EQ(Of({22}).DesiredOwner(5, 22), 22u);
  EXPECT_EQ(Of({}).DesiredOwner(5, 0), 0u);
}

TEST(Placement, OnlyServingMembersAreGivenShards) {
  std::vector<Member> members = {Serving(1), Serving(2), Serving(3), Serving(4)};
  members[0].state = MemberState::kJoining;
  members[1].state = MemberState::kDraining;
  const Placement placement(members, {3});
  EXPECT_EQ(placement, Of({4}));
  EXPECT_TRUE(placement.Includes(4));
  EXPECT_FALSE(placement.Includes(3));
}

TEST(Suspects, AMajorityOfTheOthersDecides) {
  EXPECT_EQ(Suspects({Serving(1), Serving(2, 0, {3}), Serving(3)}), Ids{});  // one of two
  EXPECT_EQ(Suspects({Serving(1, 0, {3}), Serving(2, 0, {3}), Serving(3)}), Ids{3});
  EXPECT_EQ(Suspects({Serving(1, 0, {2}), Serving(2)}), Ids{2});
  EXPECT_EQ(Suspects({Serving(1, 0, {1})}), Ids{});
}

TEST(Suspects, OfTwoThatAccuseEachOtherTheYoungerFalls) {
  EXPECT_EQ(Suspects({Serving(1, 100, {2}), Serving(2, 50, {1})}), Ids{1});
  EXPECT_EQ(Suspects({Serving(1, 50, {2}), Serving(2, 100, {1})}), Ids{2});
  EXPECT_EQ(Suspects({Serving(1, 50, {2}), Serving(2, 50, {1})}), Ids{2});
}

TEST(Suspects, AnIsolatedMemberFallsThoughItAccusesAll) {
  EXPECT_EQ(Suspects({Serving(1, 1, {2, 3}), Serving(2, 2, {1}), Serving(3, 3, {1})}), Ids{1});
}

TEST(Suspects, AccusationsOfTheFallenDoNotCount) {
  // Two of four die; each was still alive when it last spoke, one after it had lost sight of a living one.
  EXPECT_EQ(Suspects({Serving(1, 1, {3, 4}), Serving(2, 2, {3, 4}), Serving(3, 3, {1}), Serving(4, 4)}),
            (Ids{3, 4}));
}

}  // namespace
}  // namespace dormouse
