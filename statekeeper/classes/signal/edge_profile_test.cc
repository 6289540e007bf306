#include "statekeeper/classes/signal/edge_profile.h"

#include <gtest/gtest.h>

#include "common/json/json_reader.h"
#include "statekeeper/classes/testing/fake_edge.h"

namespace dormouse::signal {
namespace {

const EdgeValues kValues = {{link::Template::NOW_MS, "77"},          {link::Template::NEW_UUID, "U"},
                            {link::Template::ACTUAL_SIZE, "2000"},   {link::Template::MAX_SIZE, "1000"},
                            {link::Template::RETRY_AFTER_S, "3"},    {link::Template::RATE_LIMIT, "10"},
                            {link::Template::RETRY_AFTER_MS, "2500"}};

// That heartbeats are answered as the hub answers them is in signal_hub_test.cc, which has a hub to compare
// with.

TEST(EdgeProfileTest, RoutesAndLimits) {
  Options options;
  options.idle_timeout = Duration(6000);
  options.max_message_size = 4096;
  options.rate_limit = 2.5;
  options.rate_burst = 7;
  const link::ClassProfile profile = EdgeProfile(options);
  EXPECT_EQ(profile.name(), "signal");
  ASSERT_EQ(profile.routes_size(), 3);
  EXPECT_EQ(profile.routes(0).path() + ">" + profile.routes(0).hub_name(), "/ws>default");
  EXPECT_EQ(profile.routes(1).path() + ">" + profile.routes(1).hub_name(), "/ws/{name}>");
  EXPECT_EQ(profile.routes(2).path() + ">" + profile.routes(2).hub_name(), "/>default");
  EXPECT_EQ(profile.idle_timeout_ms(), 7000u) << "with a sixth of grace";
  EXPECT_EQ(profile.idle_check_ms(), 1000u);
  EXPECT_EQ(profile.idle_close_code(), 1000u);
  EXPECT_EQ(profile.idle_close_reason(), "Heartbeat timeout");
  EXPECT_EQ(profile.max_message_size(), 4096u);
  EXPECT_EQ(profile.rate_limit(), 2.5);
  EXPECT_EQ(profile.rate_burst(), 7u);
  ASSERT_EQ(profile.rate_exempt_types_size(), 1);
  EXPECT_EQ(profile.rate_exempt_types(0), "hub:connect");
  options.cleanup_interval = Duration(300);
  EXPECT_EQ(EdgeProfile(options).idle_check_ms(), 300u);
}

TEST(EdgeProfileTest, OneHeartbeatAMinuteIsEnough) {
  EXPECT_EQ(EdgeProfile(Options()).idle_timeout_ms(), 70'000u) << "hidden tabs: each 60 s, or a little more";
  Options options;
  options.idle_grace = Duration(0);
  EXPECT_EQ(EdgeProfile(options).idle_timeout_ms(), 60'000u);
  options.idle_timeout = Duration(0);
  options.idle_grace = Duration(10'000);
  EXPECT_EQ(EdgeProfile(options).idle_timeout_ms(), 0u) << "never is never";
}

TEST(EdgeProfileTest, APingWithoutAnEnvelopeIsAnsweredAtTheEdge) {
  Options options;
  for (const bool heartbeats : {true, false}) {
    options.edge_heartbeats = heartbeats;
    const link::ClassProfile profile = EdgeProfile(options);
    EXPECT_TRUE(profile.binary_is_text());
    EXPECT_EQ(EdgeReply(profile, R"({"type":"ping"})", kValues), R"({"type":"pong"})");
    EXPECT_EQ(EdgeReply(profile, R"({"type":"ping","from":"a/b","to":"c/d"})", kValues), std::nullopt);
  }
}

TEST(EdgeProfileTest, LimitsOfRoles) {
  Options options;
  EXPECT_EQ(EdgeProfile(options).role_limits_size(), 0);
  options.role_limits = {"board=60/120", "free=0/0"};
  const link::ClassProfile profile = EdgeProfile(options);
  ASSERT_EQ(profile.role_limits_size(), 2);
  EXPECT_EQ(profile.role_limits(0).role(), "board");
  EXPECT_EQ(profile.role_limits(0).rate(), 60);
  EXPECT_EQ(profile.role_limits(0).burst(), 120u);
  EXPECT_EQ(profile.role_limits(1).role(), "free");
  EXPECT_EQ(profile.role_limits(1).rate(), 0);
}

TEST(EdgeProfileTest, MarksForWhatWaits) {
  Options options;
  options.outbound_pause = 4000;
  options.outbound_resume = 2000;
  options.outbound_limit = 9000;
  options.outbound_pause_messages = 40;
  options.outbound_resume_messages = 20;
  const link::ClassProfile profile = EdgeProfile(options);
  EXPECT_EQ(profile.outbound_pause(), 4000u);
  EXPECT_EQ(profile.outbound_resume(), 2000u);
  EXPECT_EQ(profile.outbound_limit(), 9000u);
  EXPECT_EQ(profile.outbound_pause_messages(), 40u);
  EXPECT_EQ(profile.outbound_resume_messages(), 20u);
}

TEST(EdgeProfileTest, WhereTokensAreAskedForConnectingHasADeadline) {
  Options options;
  options.connect_timeout = Duration(3000);
  EXPECT_EQ(EdgeProfile(options).admission_timeout_ms(), 0u) << "nobody has to say who they are";
  options.auth_algorithm = "HS256";
  const link::ClassProfile profile = EdgeProfile(options);
  EXPECT_EQ(profile.admission_timeout_ms(), 3000u);
  EXPECT_EQ(profile.admission_close_code(), 1008u);
  EXPECT_EQ(profile.admission_close_reason(), "Connect timeout");
  options.connect_timeout = Duration(0);
  EXPECT_GT(Duration(EdgeProfile(options).admission_timeout_ms()), std::chrono::years(1))
      << "but they have to";
}

TEST(EdgeProfileTest, HeartbeatsGoToTheHubWhenAskedTo) {
  Options options;
  constexpr std::string_view kHeartbeat = R"({"type":"hub:heartbeat","from":"a/b","to":"c/d"})";
  EXPECT_TRUE(EdgeReply(EdgeProfile(options), kHeartbeat, kValues).has_value());
  options.edge_heartbeats = false;
  EXPECT_EQ(EdgeReply(EdgeProfile(options), kHeartbeat, kValues), std::nullopt);
}

TEST(EdgeProfileTest, TooLargeIsACompleteEnvelope) {
  const auto frame = FillTemplate(EdgeProfile(Options()).too_large_reply(), "", kValues);
  ASSERT_TRUE(frame.has_value() && IsValidJson(*frame));
  const JsonObject fields(*frame);
  EXPECT_EQ(fields.members().size(), 11u);
  EXPECT_EQ(fields.Find("type"), "\"hub:error\"");
  EXPECT_EQ(fields.Find("from"), "\"cloudflare/signal-hub\"");
  EXPECT_EQ(fields.Find("correlationId"), "null");
  EXPECT_EQ(fields.Find("id"), "\"U\"");
  EXPECT_EQ(fields.Find("timestamp"), "77");
  const JsonObject payload(fields.Find("payload"));
  EXPECT_EQ(payload.Find("code"), "\"message_too_large\"");
  EXPECT_TRUE(IsJsonString(payload.Find("resolution")));
  EXPECT_EQ(payload.Find("details"), R"({"actualSize":2000,"maxSize":1000,"size":2000,"limit":1000})");
}

TEST(EdgeProfileTest, RateLimitedAnswersTheRequest) {
  const link::Template reply = EdgeProfile(Options()).rate_limited_reply();
  const auto frame = FillTemplate(
      reply, R"j({"id":"7","type":"hub:send","from":"@(a/b)","to":"@(cloudflare/signal-hub)"})j", kValues);
  ASSERT_TRUE(frame.has_value() && IsValidJson(*frame));
  const JsonObject fields(*frame);
  EXPECT_EQ(fields.Find("to"), "\"@(a/b)\"");
  EXPECT_EQ(fields.Find("from"), "\"@(cloudflare/signal-hub)\"");
  EXPECT_EQ(fields.Find("correlationId"), "\"7\"");
  const JsonObject payload(fields.Find("payload"));
  EXPECT_EQ(payload.Find("code"), "\"rate_limited\"");
  EXPECT_EQ(payload.Find("details"),
            R"({"retryAfter":3,"retryAfterMs":2500,"limit":10,"code":"RATE_LIMIT_EXCEEDED"})");

  const auto unread = FillTemplate(reply, "not json", kValues);
  ASSERT_TRUE(unread.has_value() && IsValidJson(*unread)) << "it works for frames that say nothing, too";
  EXPECT_EQ(JsonObject(*unread).Find("correlationId"), "null");
}

TEST(EdgeProfileTest, RefusalsAreInTheFormOfTheRequest) {
  const link::ClassProfile profile = EdgeProfile(Options());
  for (const link::Template& reply : {profile.rate_limited_reply(), profile.too_large_reply()}) {
    const auto addresses = [&](std::string_view request) {
      const auto frame = FillTemplate(reply, request, kValues);
      const JsonObject fields(*frame);
      std::string said;
      for (const char* name : {"correlationId", "from", "to"}) said += fields.Find(name);
      return said;
    };
    EXPECT_EQ(addresses(R"x({"id":"7","from":"@(a/b)","to":"@(c/d)"})x"), R"x("7""@(c/d)""@(a/b)")x");
    EXPECT_EQ(addresses(R"x({"id":8,"from":"@(a/b)"})x"), R"x(8"@(cloudflare/signal-hub)""@(a/b)")x");
    EXPECT_EQ(addresses(R"x({"from":"a/b","to":null})x"), R"x(null"cloudflare/signal-hub""a/b")x");
    EXPECT_EQ(addresses(R"x({"from":{},"to":"@(c/d)"})x"), R"x(null"@(c/d)""@(browser/unknown)")x");
    EXPECT_EQ(addresses("[]"), R"x(null"cloudflare/signal-hub""browser/unknown")x");
  }
}

}  // namespace
}  // namespace dormouse::signal
