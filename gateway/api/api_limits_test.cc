#include "gateway/api/api_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

int StatusOf(const std::optional<HttpReply>& refusal) { return refusal ? refusal->status : 0; }

TEST(ApiLimits, EachIsRefusedForItself) {
  ApiLimits limits({.calls = 4, .of_key = 3, .of_hub = 2});
  EXPECT_EQ(StatusOf(limits.Begin("a", "echo/x")), 0);
  EXPECT_EQ(StatusOf(limits.Begin("a", "echo/x")), 0);
  EXPECT_EQ(StatusOf(limits.Begin("b", "echo/x")), 429) << "the hub has enough";
  EXPECT_EQ(StatusOf(limits.Begin("a", "echo/y")), 0);
  EXPECT_EQ(StatusOf(limits.Begin("a", "echo/z")), 429) << "the key has enough";
  EXPECT_EQ(StatusOf(limits.Begin("b", "echo/z")), 0);
  EXPECT_EQ(StatusOf(limits.Begin("b", "echo/z")), 503) << "the gateway has enough";
  limits.End("a", "echo/x");
  EXPECT_EQ(StatusOf(limits.Begin("b", "echo/x")), 0);
  EXPECT_EQ(limits.calls(), 4u);
}

TEST(ApiLimits, WhoIsRefusedIsToldWhenToComeAgain) {
  ApiLimits limits({.calls = 1, .of_key = 1, .of_hub = 1});
  limits.Begin("a", "echo/x");
  const auto refusal = limits.Begin("b", "echo/y");
  ASSERT_TRUE(refusal);
  EXPECT_THAT(refusal->headers, testing::ElementsAre(testing::Pair("Retry-After", "1")));
  EXPECT_THAT(refusal->body, testing::HasSubstr("api-calls"));
}

}  // namespace
}  // namespace dormouse
