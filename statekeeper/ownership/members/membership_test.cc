#include "statekeeper/ownership/members/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Member Of(MemberId id, MemberState state = MemberState::kServing, std::vector<MemberId> unreachable = {}) {
  Member member;
  member.id = id;
  member.state = state;
  member.unreachable = std::move(unreachable);
  return member;
}

class MembershipTest : public testing::Test {
 protected:
  bool Learn(const std::vector<Member>& members) {
    std::vector<MemberEntry> entries;
    for (const Member& member : members) entries.push_back({PrintMemberId(member.id), PrintMember(member)});
    return membership_.Learn(entries, now_);
  }

  SteadyTime now_ = SteadyTime(Duration(1'000'000));
  Membership membership_{Of(2, MemberState::kJoining)};
};

TEST_F(MembershipTest, TheStoreSaysWhoLivesInWhateverOrder) {
  EXPECT_FALSE(membership_.is_known());
  EXPECT_TRUE(Learn({Of(3), Of(1), Of(2)}));
  EXPECT_TRUE(membership_.is_known());
  EXPECT_EQ(membership_.IndexOf(1), 0u);
  EXPECT_EQ(membership_.IndexOf(3), 2u);
  EXPECT_EQ(membership_.IndexOf(4), 3u);
  EXPECT_FALSE(membership_.Lives(4));
  ASSERT_EQ(membership_.Others().size(), 2u);
  EXPECT_EQ(membership_.Others()[1].id, 3u);
  EXPECT_FALSE(membership_.IsAlone());
}

TEST_F(MembershipTest, OnlyWhatIsNewIsNews) {
  EXPECT_TRUE(Learn({Of(1), Of(2)}));
  EXPECT_FALSE(Learn({Of(2), Of(1)}));
  EXPECT_TRUE(Learn({Of(1), Of(2, MemberState::kDraining)}));
}

TEST_F(MembershipTest, EntriesOfALaterVersionArePassedOver) {
  membership_.Learn({{"a-later-one", "what it says"}, {PrintMemberId(2), PrintMember(Of(2))}}, now_);
  EXPECT_THAT(membership_.Fit(), ElementsAre(2));
  EXPECT_TRUE(membership_.IsAlone());
}

TEST_F(MembershipTest, WhomMostOfTheOthersNameIsASuspectAndNotFit) {
  EXPECT_TRUE(Learn({Of(1, MemberState::kServing, {3}), Of(2, MemberState::kServing, {3}), Of(3)}));
  EXPECT_THAT(membership_.suspects(), ElementsAre(3));
  EXPECT_TRUE(membership_.IsSuspect(3));
  EXPECT_THAT(membership_.Fit(), ElementsAre(1, 2));
  EXPECT_FALSE(membership_.SuspicionIsPending()) << "it is decided";
}

TEST_F(MembershipTest, AnAccusationOfOneIsPendingUntilItIsDecidedOrTheMemberIsGone) {
  EXPECT_TRUE(Learn({Of(1, MemberState::kServing, {3}), Of(2), Of(3)}));
  EXPECT_THAT(membership_.suspects(), IsEmpty());
  EXPECT_TRUE(membership_.SuspicionIsPending());
  EXPECT_TRUE(Learn({Of(1, MemberState::kServing, {3}), Of(2)}));
  EXPECT_FALSE(membership_.SuspicionIsPending());
}

TEST_F(MembershipTest, ShardsCanGoToAnotherThatServesAndIsNotASuspect) {
  EXPECT_TRUE(Learn({Of(1, MemberState::kDraining), Of(2)}));
  EXPECT_FALSE(membership_.OthersServe());
  EXPECT_TRUE(Learn({Of(1), Of(2)}));
  EXPECT_TRUE(membership_.OthersServe());
  EXPECT_TRUE(Learn({Of(1), Of(2, MemberState::kServing, {1})}));
  EXPECT_FALSE(membership_.OthersServe());
}

TEST_F(MembershipTest, WhoJoinsServesAMomentLaterAndTheFirstAtOnce) {
  EXPECT_FALSE(membership_.MayServe(now_)) << "it has heard of nobody";
  Learn({Of(2, MemberState::kJoining)});
  EXPECT_TRUE(membership_.MayServe(now_));
  Learn({Of(1), Of(2, MemberState::kJoining)});
  EXPECT_FALSE(membership_.MayServe(now_));
  EXPECT_TRUE(membership_.MayServe(now_ + Duration(1'000)));
  EXPECT_EQ(membership_.joined(), now_);
}

TEST_F(MembershipTest, ItSaysOfItselfWhatItsNextEntryIsToSay) {
  EXPECT_TRUE(membership_.SetState(MemberState::kDraining));
  EXPECT_FALSE(membership_.SetState(MemberState::kDraining));
  EXPECT_FALSE(membership_.DrainIsKnown()) << "the store does not know it yet";
  Learn({membership_.self()});
  EXPECT_TRUE(membership_.DrainIsKnown());
  EXPECT_EQ(membership_.SetUnreachable({5, 6}), 2u);
  EXPECT_EQ(membership_.SetUnreachable({6, 7}), 1u);
  EXPECT_EQ(membership_.SetUnreachable({}), 0u);
}

}  // namespace
}  // namespace dormouse
