#include "common/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kParent = "00f067aa0ba902b7";

TEST(TraceContextTest, ReadsWhatTheRecommendationShows) {
  const std::string header = "00-" + kTrace + "-" + kParent + "-01";
  const auto context = TraceContext::Parse(header);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->parent_id, kParent);
  EXPECT_TRUE(context->sampled);
  EXPECT_FALSE(TraceContext::Parse("00-" + kTrace + "-" + kParent + "-00")->sampled);
  EXPECT_TRUE(TraceContext::Parse("00-" + kTrace + "-" + kParent + "-ff")->sampled);
  EXPECT_FALSE(TraceContext::Parse("00-" + kTrace + "-" + kParent + "-fe")->sampled);
}

TEST(TraceContextTest, ReadsWhatItKnowsOfLaterVersions) {
  EXPECT_TRUE(TraceContext::Parse("01-" + kTrace + "-" + kParent + "-01").has_value());
  EXPECT_TRUE(TraceContext::Parse("cc-" + kTrace + "-" + kParent + "-01-what-the-future-brings").has_value());
  EXPECT_FALSE(TraceContext::Parse("cc-" + kTrace + "-" + kParent + "-01.what").has_value());
}

TEST(TraceContextTest, TakesNothingElse) {
  const std::string zeros(32, '0');
  for (const std::string& wrong : {
           std::string(),
           std::string("00"),
           "00-" + kTrace + "-" + kParent,
           "00-" + kTrace + "-" + kParent + "-1",
           "00-" + kTrace + "-" + kParent + "-01-more",
           "00-" + kTrace + "-" + kParent + "-01 ",
           "00-" + kTrace + "-" + kParent + "-01,00-" + kTrace + "-" + kParent + "-01",
           "ff-" + kTrace + "-" + kParent + "-01",
           "0x-" + kTrace + "-" + kParent + "-01",
           "00_" + kTrace + "_" + kParent + "_01",
           "00-" + zeros + "-" + kParent + "-01",
           "00-" + kTrace + "-" + zeros.substr(16) + "-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kParent + "-01",
           "00-" + kTrace + "-" + kParent + "-0x",
           "00-" + kTrace.substr(1) + "-" + kParent + "0-01",
       }) {
    EXPECT_FALSE(TraceContext::Parse(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace dormouse
