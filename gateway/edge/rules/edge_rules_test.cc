#include "gateway/edge/rules/edge_rules.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

link::ClassProfile Profile(const std::string& text) {
  link::ClassProfile profile;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &profile));
  return profile;
}

// As the signal class might: heartbeats of connected peers, two address forms.
constexpr char kHeartbeat[] = R"(
  auto_responses {
    type: "hub:heartbeat"
    require: "from"
    absent: "ttl"
    prefixes { field: "from" prefix: "@(" }
    reply {
      parts { literal: "canonical " }
      parts { field: "from" }
    }
  }
  auto_responses {
    type: "hub:heartbeat"
    require: "from"
    absent: "ttl"
    prefixes { field: "from" prefix: "@(" negate: true }
    reply {
      parts { literal: "{\"to\":" }
      parts { field: "from" }
      parts { literal: ",\"timestamp\":" }
      parts { field: "payload.timestamp" otherwise: "null" }
      parts { literal: ",\"serverTime\":" }
      parts { value: NOW_MS }
      parts { literal: ",\"at\":\"" }
      parts { value: NOW_ISO }
      parts { literal: "\",\"connection\":\"" }
      parts { value: CONNECTION_ID }
      parts { literal: "\"}" }
    }
  })";

std::optional<std::string> Answer(const EdgeRules& rules, std::string_view frame) {
  return rules.AutoResponse(frame,
                            [] { return TemplateValues{.connection_id = "c-1", .now_ms = 1769862896789}; });
}

TEST(EdgeRules, AnswersFromTheTemplate) {
  const EdgeRules rules(Profile(kHeartbeat));
  EXPECT_EQ(Answer(rules, R"({"type":"hub:heartbeat","from":"browser/ui","payload":{"timestamp": 17}})"),
            R"({"to":"browser/ui","timestamp":17,"serverTime":1769862896789,)"
            R"("at":"2026-01-31T12:34:56.789Z","connection":"c-1"})");
}

TEST(EdgeRules, UsesTheDefaultOfAMissingField) {
  const EdgeRules rules(Profile(kHeartbeat));
  const auto answer = Answer(rules, R"({"from":"a","payload":null,"type":"hub:heartbeat"})");
  ASSERT_TRUE(answer.has_value());
  EXPECT_NE(answer->find("\"timestamp\":null"), std::string::npos);
}

TEST(EdgeRules, TheFirstRuleThatAppliesWins) {
  const EdgeRules rules(Profile(kHeartbeat));
  EXPECT_EQ(Answer(rules, R"x({"type":"hub:heartbeat","from":"@(a/b)"})x"), "canonical \"@(a/b)\"");
}

TEST(EdgeRules, LeavesLongFramesToTheHub) {
  const EdgeRules rules(Profile(kHeartbeat));
  const auto heartbeat = [](size_t padding) {
    return R"({"type":"hub:heartbeat","from":"a","payload":null,"padding":")" + std::string(padding, 'x') +
           "\"}";
  };
  EXPECT_TRUE(Answer(rules, heartbeat(60'000)).has_value());
  EXPECT_FALSE(Answer(rules, heartbeat(65'536)).has_value());
}

TEST(EdgeRules, LeavesEverythingElseToTheHub) {
  const EdgeRules rules(Profile(kHeartbeat));
  for (const char* frame : {
           R"({"type":"hub:heartbeat"})",                                    // `from` is required
           R"({"type":"hub:heartbeat","from":"a","ttl":5})",                 // `ttl` must be absent
           R"({"type":"hub:heartbeat","from":7})",                           // not a string
           R"({"type":"other","from":"a","payload":"hub:heartbeat"})",       // the literal, but not the type
           R"({"type":"other","from":"a","x":{"type":"hub:heartbeat"}})",    // not at the top
           R"(["hub:heartbeat"])",                                           // not an object
           R"({"type":"hub:heartbeat","from":"a")",                          // not JSON
           R"({"type":"hub:heartbeat","from":"a","type":"hub:heartbeat"})",  // ambiguous
           R"(hello)",
           "",
       }) {
    EXPECT_EQ(Answer(rules, frame), std::nullopt) << frame;
  }
}

TEST(EdgeRules, ANullCountsAsAbsent) {
  const EdgeRules rules(Profile(kHeartbeat));
  EXPECT_TRUE(Answer(rules, R"({"type":"hub:heartbeat","from":"a","ttl":null})").has_value());
}

TEST(EdgeRules, ARequiredTemplateFieldThatIsMissingMeansNoAnswer) {
  const EdgeRules rules(Profile(R"(auto_responses { type: "ping" reply { parts { field: "id" } } })"));
  EXPECT_EQ(Answer(rules, R"({"type":"ping"})"), std::nullopt);
  EXPECT_EQ(Answer(rules, R"({"type":"ping","id":[1, 2]})"), "[1, 2]");
}

TEST(EdgeRules, EachUuidIsNew) {
  const EdgeRules rules(Profile(R"(auto_responses { type: "ping" reply { parts { value: NEW_UUID } } })"));
  const auto a = Answer(rules, R"({"type":"ping"})");
  const auto b = Answer(rules, R"({"type":"ping"})");
  ASSERT_TRUE(a.has_value() && b.has_value());
  EXPECT_EQ(a->size(), 36u);
  EXPECT_NE(*a, *b);
}

TEST(EdgeRules, KnowsTheTypesThatTheRateLimitSpares) {
  const EdgeRules rules(Profile(R"(rate_exempt_types: "hub:connect")"));
  EXPECT_TRUE(rules.IsRateExempt(R"({"from":"a","type":"hub:connect"})"));
  EXPECT_FALSE(rules.IsRateExempt(R"({"from":"hub:connect","type":"hub:send"})"));
  EXPECT_FALSE(rules.IsRateExempt(R"("hub:connect")"));
}

TEST(EdgeRules, KnowsWhatEachRoleMaySend) {
  const EdgeRules rules(Profile(R"(
    rate_limit: 10 rate_burst: 20
    role_limits { role: "board" rate: 60 burst: 120 } role_limits { role: "free" })"));
  const std::string board = "board";
  const std::string free = "free";
  const std::string other = "other";
  EXPECT_EQ(rules.RateLimitOf(nullptr).rate, 10);
  EXPECT_EQ(rules.RateLimitOf(nullptr).burst, 20u);
  EXPECT_EQ(rules.RateLimitOf(&board).rate, 60);
  EXPECT_EQ(rules.RateLimitOf(&board).burst, 120u);
  EXPECT_EQ(rules.RateLimitOf(&free).rate, 0);
  EXPECT_EQ(rules.RateLimitOf(&other).rate, 10);
}

TEST(EdgeRules, SaysWhyAFrameWasDropped) {
  const EdgeRules rules(Profile(R"(
    max_message_size: 100
    too_large_reply {
      parts { value: ACTUAL_SIZE } parts { literal: "/" } parts { value: MAX_SIZE }
      parts { field: "id" otherwise: "?" }
    }
    rate_limited_reply {
      parts { value: RETRY_AFTER_S } parts { literal: " " } parts { value: RETRY_AFTER_MS }
      parts { literal: " " } parts { value: RATE_LIMIT }
      parts { field: "id" otherwise: "?" }
    })"));
  EXPECT_EQ(rules.TooLargeReply("", {.actual_size = 150}), "150/100?");
  EXPECT_EQ(rules.TooLargeReply(R"({"id":"x","data":"beg)", {.actual_size = 150}), "150/100\"x\"");
  EXPECT_EQ(rules.RateLimitedReply(R"({"id":"x"})", {.retry_after_ms = 2001, .rate_limit = 2.5}),
            "3 2001 2.5\"x\"");
  EXPECT_EQ(rules.RateLimitedReply("not json", {.retry_after_ms = 3000, .rate_limit = 2.5}), "3 3000 2.5?");
  EXPECT_EQ(EdgeRules(Profile("")).TooLargeReply("", {}), std::nullopt);
}

TEST(EdgeRules, RepeatsNothingLong) {
  const EdgeRules rules(Profile(R"(
    auto_responses { type: "ping" reply { parts { field: "id" } } }
    rate_limited_reply { parts { field: "id" otherwise: "?" } })"));
  const auto frame = [](size_t size) {
    return R"({"type":"ping","id":")" + std::string(size - 2, 'x') + R"("})";
  };
  EXPECT_TRUE(Answer(rules, frame(4096)).has_value());
  EXPECT_FALSE(Answer(rules, frame(4097)).has_value()) << "the hub says what is wrong with it";
  EXPECT_EQ(rules.RateLimitedReply(frame(4096), {})->size(), 4096u);
  EXPECT_EQ(rules.RateLimitedReply(frame(4097), {}), "?");
}

TEST(EdgeRules, ATemplateAnswersInTheFormOfTheRequest) {
  const EdgeRules rules(Profile(R"(
    rate_limited_reply { parts {
      field: "to" string_only: true otherwise: "bare"
      variant { when { field: "from" prefix: "@(" } otherwise: "canonical" }
    } })"));
  const auto reply = [&](std::string_view frame) { return rules.RateLimitedReply(frame, {}); };
  EXPECT_EQ(reply(R"x({"from":"@(a/b)","to":"c/d"})x"), "\"c/d\"") << "as it was written";
  EXPECT_EQ(reply(R"x({"from":"@(a/b)"})x"), "canonical");
  EXPECT_EQ(reply(R"x({"from":"\u0040(a/b)","to":{"no":"string"}})x"), "canonical");
  EXPECT_EQ(reply(R"x({"from":"a/b","to":7})x"), "bare");
  EXPECT_EQ(reply(R"x({"to":null})x"), "bare");
}

TEST(EdgeRules, ATypeMayBeSpelledWithEscapes) {
  const EdgeRules rules(Profile(std::string(kHeartbeat) + R"(rate_exempt_types: "a/b")"));
  EXPECT_TRUE(Answer(rules, R"({"type":"hub\u003aheartbeat","from":"a"})").has_value());
  EXPECT_TRUE(Answer(rules, R"({"\u0074ype":"hub:heartbeat","from":"a"})").has_value());
  EXPECT_TRUE(
      Answer(rules, R"x({"type":"\u0068ub:heartbeat","from":"\u0040(a/b)"})x")->starts_with("canonical"));
  EXPECT_FALSE(Answer(rules, R"({"type":"hub\u003aheartbeats","from":"a"})").has_value());
  EXPECT_TRUE(rules.IsRateExempt(R"({"type":"a\/b"})"));
}

}  // namespace
}  // namespace dormouse::edge
