#include "gateway/link/foreign_causes.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(ForeignCausesTest, EachDeliveryOfACauseIsAdmittedOnce) {
  ForeignCauses causes;
  EXPECT_TRUE(causes.AcceptOnce(7, 1, 0));
  EXPECT_TRUE(causes.AcceptOnce(7, 1, 1));
  EXPECT_FALSE(causes.AcceptOnce(7, 1, 0));
  EXPECT_FALSE(causes.AcceptOnce(7, 1, 1));
  EXPECT_TRUE(causes.AcceptOnce(8, 1, 0));
  EXPECT_TRUE(causes.AcceptOnce(7, 2, 0));
}

TEST(ForeignCausesTest, ForgettingTakesTheRangeAndWhatWasBeforeTheOwner) {
  ForeignCauses causes;
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    causes.AcceptOnce(7, sequence, 0);
    causes.AcceptOnce(8, sequence, 0);
  }
  causes.Forget(7, 9, 10, 3);
  EXPECT_EQ(causes.size(), 16u);
  EXPECT_FALSE(causes.AcceptOnce(7, 3, 0));
  EXPECT_FALSE(causes.AcceptOnce(7, 8, 0));
  EXPECT_TRUE(causes.AcceptOnce(7, 2, 0));
  EXPECT_TRUE(causes.AcceptOnce(7, 9, 0));
  EXPECT_FALSE(causes.AcceptOnce(8, 1, 0));
  causes.Forget(8, 5, 4, 0);  // nothing
  EXPECT_FALSE(causes.AcceptOnce(8, 5, 0));
}

}  // namespace
}  // namespace dormouse
