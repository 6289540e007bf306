#include "common/percent_decode.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(PercentDecode, DecodesOrRefuses) {
  EXPECT_EQ(PercentDecode("a%41%2fb"), "aA/b");
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
  EXPECT_EQ(PercentDecode("%4"), std::nullopt);
  EXPECT_EQ(PercentDecode("%"), std::nullopt);
}

}  // namespace
}  // namespace dormouse
