#include "common/tracing/span.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

constexpr std::string_view kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(SpanParentTest, ReadsWhatItWrites) {
  const auto context = TraceContext::Parse(kHeader);
  ASSERT_TRUE(context);
  const SpanParent parent = SpanParent::Of(*context);
  EXPECT_EQ(parent.trace[0], 0x4b);
  EXPECT_EQ(parent.span[7], 0xb7);
  EXPECT_EQ(parent.ToHeader(), kHeader);
  EXPECT_EQ(SpanParent::FromBytes(parent.ToBytes()), parent);
  EXPECT_EQ(parent.ToBytes().size(), 24u);
}

TEST(SpanParentTest, OtherSizesAreNone) {
  EXPECT_EQ(SpanParent::FromBytes(""), std::nullopt);
  EXPECT_EQ(SpanParent::FromBytes(std::string(23, 'x')), std::nullopt);
  EXPECT_EQ(SpanParent::FromBytes(std::string(25, 'x')), std::nullopt);
}

TEST(SpanTest, IdsAreNewAndValid) {
  const SpanParent one{.trace = NewTraceId(), .span = NewSpanId()};
  const SpanParent other{.trace = NewTraceId(), .span = NewSpanId()};
  EXPECT_NE(one.trace, other.trace);
  EXPECT_NE(one.span, other.span);
  const std::string header = one.ToHeader();
  const auto read = TraceContext::Parse(header);
  ASSERT_TRUE(read) << header;
  EXPECT_TRUE(read->sampled);
  EXPECT_EQ(SpanParent::Of(*read), one);
}

}  // namespace
}  // namespace dormouse
