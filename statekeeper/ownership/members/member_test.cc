#include "statekeeper/ownership/members/member.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(Member, IsReadAsItWasWritten) {
  Member member;
  member.id = 0xabc;
  member.started = WallTime(Duration(1234));
  member.unreachable = {5, 6};
  member.address = "host:1";
  member.unix_path = "/x";
  member.app_http = "/y";
  member.version = "1.2";
  member.lanes = 3;
  for (const MemberState state : {MemberState::kJoining, MemberState::kServing, MemberState::kDraining}) {
    member.state = state;
    EXPECT_EQ(ParseMember({PrintMemberId(member.id), PrintMember(member)}), member);
  }
  EXPECT_EQ(ParseMember({PrintMemberId(7), PrintMember(member)}), std::nullopt);
  EXPECT_EQ(ParseMember({PrintMemberId(0xabc), "nonsense"}), std::nullopt);
}

TEST(Member, IdsAreSixteenDigits) {
  EXPECT_EQ(PrintMemberId(0xabc), "0000000000000abc");
  EXPECT_EQ(ParseMemberId("0000000000000abc"), 0xabcu);
  for (const char* bad : {"", "abc", "0000000000000abg", "0x00000000000abc", "00000000000000abc"}) {
    EXPECT_EQ(ParseMemberId(bad), 0u) << bad;
  }
}

}  // namespace
}  // namespace dormouse
