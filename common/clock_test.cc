#include "common/clock.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(Iso8601Test, PrintsMillisecondsOfWhicheverSecond) {
  EXPECT_EQ(Iso8601(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(Iso8601(7), "1970-01-01T00:00:00.007Z");
  EXPECT_EQ(Iso8601(999), "1970-01-01T00:00:00.999Z");
  EXPECT_EQ(Iso8601(1'709'210'096'120), "2024-02-29T12:34:56.120Z");
  EXPECT_EQ(Iso8601(1'709'210'097'001), "2024-02-29T12:34:57.001Z");
  EXPECT_EQ(Iso8601(1'709'210'096'010), "2024-02-29T12:34:56.010Z");
}

}  // namespace
}  // namespace dormouse
