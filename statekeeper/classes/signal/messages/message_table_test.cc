// Walks the table: what a row says of its type is what a hub does, with and without tokens, in both dialects.
#include "statekeeper/classes/signal/messages/message_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/auth/testing/token_maker.h"
#include "common/auth/token_authority.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/testing/frame.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kMe[] = "browser/me";

// A hub with a client "browser/me".
class TestHub {
 public:
  explicit TestHub(bool legacy = false, bool asks_for_tokens = false) : legacy_(legacy) {
    if (asks_for_tokens) {
      options_.auth_algorithm = "HS256";
      options_.auth_key = files_.Write("secret", key_.secret());
      options_.auth_capabilities = "strict";
      std::string wrong;
      authority_ = NewTokenAuthority(options_, &wrong);
    }
    class_ = NewSignalClass(options_, authority_.get());
    hub_ = std::make_unique<FakeContext>(*class_);
    client_ = hub_->ClientConnects();
  }
  FakeContext& hub() { return *hub_; }

  std::vector<Frame> Send(std::string_view type, const std::string& payload, const char* pattern = "ask",
                          const std::string& from = kMe) {
    const std::string frame = JsonWriter()
                                  .String("id", "1")
                                  .String("type", type)
                                  .String("from", from)
                                  .String("to", "cloudflare/signal-hub")
                                  .Raw("payload", payload)
                                  .String("pattern", pattern)
                                  .Raw("metadata", R"({"protocolVersion":"0.1.0","capabilities":["send"]})")
                                  .Finish();
    hub_->ClientSends(client_, frame);
    std::vector<Frame> frames;
    for (std::string& text : hub_->TakeFrames(client_)) frames.push_back(Frame{std::move(text)});
    return frames;
  }
  // The answer, or hub:error; "" if there is none.
  Frame Ask(std::string_view type, const std::string& payload, const std::string& from = kMe) {
    const std::vector<Frame> frames = Send(type, payload, "ask", from);
    return frames.empty() ? Frame{"{}"} : frames.front();
  }
  void Connect(const std::string& capabilities = "") {
    std::string jwt;
    if (authority_ != nullptr) {
      Claims claims = GoodClaims(hub_->now_ms(), kMe);
      claims["capabilities"] = capabilities;
      jwt = MakeToken(key_, TokenAlgorithm::kHs256, claims);
    }
    const std::string payload = legacy_ ? "{}" : R"({"version":"1.0","jwt":")" + jwt + "\"}";
    const Frame connected = Ask("hub:connect", payload);
    ASSERT_EQ(connected.type(), "hub:connected") << connected;
    resume_token_ = connected["payload.resumeToken"];
  }
  // Registered and subscribed, so that each type has something to work on; then one that would do.
  std::string PrepareFor(std::string_view type) {
    std::string renewal = Ask("hub:register", kRegistration)["payload.renewalToken"];
    if (renewal.empty()) renewal = "\"x.browser/me\"";  // it may not register
    Ask("hub:subscribe", R"({"topic":"news"})");
    const std::map<std::string_view, std::string> payloads = {
        {"hub:broadcast", R"({"type":"t","data":1})"},
        {"hub:connect", legacy_ ? "{}" : R"({"version":"1.0"})"},
        {"hub:disconnect", "{}"},
        {"hub:discover", R"({"pattern":"*"})"},
        {"hub:heartbeat", "null"},
        {"hub:list_actors", "{}"},
        {"hub:metrics", "{}"},
        {"hub:publish", R"({"topic":"other","type":"t","data":1})"},
        {"hub:queue_stats", "{}"},
        {"hub:refresh_token", R"({"token":)" + resume_token_ + "}"},
        {"hub:register", kRegistration},
        {"hub:renew", R"({"renewalToken":)" + renewal + "}"},
        {"hub:send", R"({"to":"browser/me","type":"t","data":1})"},
        {"hub:subscribe", R"({"topic":"more"})"},
        {"hub:unregister", R"({"actorAddress":"browser/me"})"},
        {"hub:unsubscribe", R"({"topic":"news"})"},
    };
    const auto found = payloads.find(type);
    EXPECT_TRUE(found != payloads.end()) << "a payload for the new type is missing here";
    return found == payloads.end() ? "{}" : found->second;
  }
  // Of the hub's own answers, those that came for a message.
  std::vector<std::string> Answers(std::string_view type, const std::string& payload, const char* pattern) {
    std::vector<std::string> types;
    for (const Frame& frame : Send(type, payload, pattern)) {
      if (frame["correlationId"] == "\"1\"" && frame["metadata.forwarded"] != "true")
        types.push_back(frame.type());
    }
    return types;
  }

 private:
  static constexpr const char* kRegistration = R"({"actorAddress":"browser/me","capabilities":["chat"]})";

  const bool legacy_;
  Options options_;
  KeyDirectory files_;
  const TestKey key_ = TestKey::NewFor(TokenAlgorithm::kHs256);
  std::unique_ptr<TokenAuthority> authority_;
  std::unique_ptr<HubClass> class_;
  std::unique_ptr<FakeContext> hub_;
  ConnectionId client_;
  std::string resume_token_;
};

// A claim of all capabilities but these.
std::string AllBut(uint32_t capabilities) { return CapabilityNames(kAllCapabilities & ~capabilities); }

TEST(MessageTableTest, EachTypeHasOneRow) {
  for (const MessageType& row : MessageTypes()) {
    EXPECT_EQ(FindMessageType(row.type), &row);
    EXPECT_TRUE(row.type.starts_with("hub:"));
    EXPECT_NE(row.handler, nullptr);
    EXPECT_FALSE(row.reply.in_0_1.empty() || row.reply.in_1_0.empty());
  }
  EXPECT_EQ(FindMessageType("hub:dance"), nullptr);
  EXPECT_EQ(FindMessageType("hub:"), nullptr);
  EXPECT_NE(FindMessageType("app:hello"), nullptr);
}

TEST(MessageTableTest, AsksAndTellsAreAnsweredAsTheRowSays) {
  for (const bool legacy : {false, true}) {
    const Dialect dialect = legacy ? DIALECT_0_1 : DIALECT_1_0;
    for (const MessageType& row : MessageTypes()) {
      for (const bool ask : {true, false}) {
        SCOPED_TRACE(std::string(row.type) + (legacy ? " 0.1" : " 1.0") + (ask ? " ask" : " tell"));
        TestHub test(legacy);
        test.Connect();
        const std::string payload = test.PrepareFor(row.type);
        const auto answers = test.Answers(row.type, payload, ask ? "ask" : "tell");
        if (ask || row.AnswersTell(dialect)) {
          EXPECT_THAT(answers, ElementsAre(row.ReplyIn(dialect)));
        } else {
          EXPECT_THAT(answers, IsEmpty());
        }
        EXPECT_EQ(test.hub().stays_awake(), row.is_activity);
      }
    }
  }
}

TEST(MessageTableTest, EachCapabilityOfARowIsAskedFor) {
  std::vector<std::string> free;
  for (const MessageType& row : MessageTypes()) {
    SCOPED_TRACE(row.type);
    if (row.needs == 0) free.emplace_back(row.type);
    for (uint32_t bit = 1; bit <= kAllCapabilities; bit <<= 1) {
      TestHub test(false, true);
      test.Connect(AllBut(bit));
      const std::string payload = test.PrepareFor(row.type);
      const auto rows = test.hub().rows();
      const Frame answer = test.Ask(row.type, payload);
      const bool refused = answer.code() == "unauthorized" &&
                           answer.String("payload.message").find(CapabilityNames(bit)) != std::string::npos;
      EXPECT_EQ(refused, (row.needs & bit) != 0) << bit << answer;
      if (refused) {
        EXPECT_EQ(test.hub().rows(), rows);
      }
    }
  }
  EXPECT_THAT(free, UnorderedElementsAre("hub:connect", "hub:disconnect", "hub:heartbeat", "hub:metrics",
                                         "hub:queue_stats", "hub:refresh_token", "hub:unregister",
                                         "hub:unsubscribe"));
}

TEST(MessageTableTest, WithoutASessionOrAFreshTokenOnlyThoseAreGoodWhoseRowSaysSo) {
  for (const MessageType& row : MessageTypes()) {
    SCOPED_TRACE(row.type);
    TestHub test(false, true);
    EXPECT_EQ(test.Ask(row.type, R"({"version":"2.0"})").code(),
              row.begins_session ? "version_mismatch" : "unauthorized");
    test.Connect(AllBut(0));
    const std::string payload = test.PrepareFor(row.type);
    test.hub().Advance(2 * 3'600'000);
    const Frame answer = test.Ask(row.type, payload);
    EXPECT_EQ(answer.text.find("token has expired") != std::string::npos, row.needs_fresh_token) << answer;
  }
}

TEST(MessageTableTest, WhoSpeaksForAnActorIsAskedWhoItIs) {
  for (const MessageType& row : MessageTypes()) {
    SCOPED_TRACE(row.type);
    TestHub test(false, true);
    test.Connect(AllBut(0));
    const Frame answer = test.Ask(row.type, test.PrepareFor(row.type), "browser/somebody-else");
    EXPECT_EQ(answer.String("payload.message").starts_with("\"from\" is neither"), row.speaks_for_actor)
        << answer;
  }
}

TEST(MessageTableTest, WhatHasNoRowIsRefusedWhoeverSendsIt) {
  for (const bool asks_for_tokens : {false, true}) {
    TestHub test(false, asks_for_tokens);
    test.Connect(AllBut(0));
    test.PrepareFor("hub:send");
    const auto rows = test.hub().rows();
    for (const char* type : {"hub:dance", "hub:", "hub:sen", "hub:sends", "hub:HEARTBEAT"}) {
      const Frame answer = test.Ask(type, R"({"to":"browser/me","type":"t","data":1})");
      EXPECT_EQ(answer.type(), "hub:error");
      EXPECT_THAT(answer.String("payload.message"), HasSubstr("does not know the type"));
    }
    EXPECT_EQ(test.hub().rows(), rows);
    EXPECT_EQ(test.hub().attachments_written(), 0u);
  }
}

TEST(MessageTableTest, TheEdgeCountsWhatTheRowsSay) {
  const std::unique_ptr<HubClass> signal = NewSignalClass(Options());
  const auto& exempt = signal->profile().rate_exempt_types();
  for (const MessageType& row : MessageTypes()) {
    EXPECT_EQ(std::ranges::find(exempt, row.type) == exempt.end(), row.is_rate_limited) << row.type;
  }
}

}  // namespace
}  // namespace dormouse::signal
