#include "common/config/role_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using testing::HasSubstr;

TEST(RoleLimitsTest, Reads) {
  std::string wrong;
  const auto limits = ParseRoleLimits({"board=60/120", "bot=0.5/5", "a=b=1/2", "free=0/0"}, &wrong);
  ASSERT_TRUE(limits.has_value()) << wrong;
  ASSERT_EQ(limits->size(), 4u);
  EXPECT_EQ((*limits)[0].role, "board");
  EXPECT_EQ((*limits)[0].rate, 60);
  EXPECT_EQ((*limits)[0].burst, 120u);
  EXPECT_EQ((*limits)[1].rate, 0.5);
  EXPECT_EQ((*limits)[2].role, "a=b");
  EXPECT_EQ((*limits)[3].rate, 0);
  EXPECT_TRUE(ParseRoleLimits({}, &wrong).has_value());
}

TEST(RoleLimitsTest, SaysWhatIsWrong) {
  for (const char* text : {"", "board", "board=60", "=60/120", "board=60/", "board=/120", "board=-1/5",
                           "board=1/-5", "board=1/1.5", "board=nan/5", "board=inf/5", "board=1e999/5",
                           "board=5/0", "board=60/120x", "board= 60/120", "60/120"}) {
    std::string wrong;
    EXPECT_FALSE(ParseRoleLimits({text}, &wrong).has_value()) << text;
    EXPECT_THAT(wrong, HasSubstr(std::string("--role-limits: '") + text + "'"));
    EXPECT_THAT(wrong, HasSubstr("board=60/120"));
  }
  std::string wrong;
  EXPECT_FALSE(ParseRoleLimits({"a=1/1", "a=2/2"}, &wrong).has_value());
  EXPECT_THAT(wrong, HasSubstr("'a'"));
}

}  // namespace
}  // namespace dormouse
