#include "statekeeper/classes/signal/protocol/envelope.h"

#include <gtest/gtest.h>

namespace dormouse::signal {
namespace {

TEST(EnvelopeTest, OnlyTypeAndFromAreRequired) {
  Envelope envelope;
  ASSERT_EQ(ParseEnvelope(R"({"type":"hub:heartbeat","from":"browser/ui"})", &envelope), "");
  EXPECT_EQ(envelope.type, "hub:heartbeat");
  EXPECT_EQ(envelope.from, "browser/ui");
  EXPECT_FALSE(envelope.to.has_value());
  EXPECT_EQ(envelope.id, "null");
  EXPECT_EQ(envelope.payload_json, "null");
  EXPECT_EQ(envelope.ttl_json, "null");
  EXPECT_FALSE(envelope.ttl_ms.has_value());
  EXPECT_FALSE(envelope.timestamp_ms.has_value());
  EXPECT_TRUE(envelope.metadata.members().empty());
}

TEST(EnvelopeTest, KeepsWhatItPassesOnAsWritten) {
  const std::string frame =
      R"j({ "id" : "i\u0031", "from":"@(a\/b)","to":"c/d", "type":"x", "payload": {"n": 1.0e2,"n":2} ,)j"
      R"("pattern":"ask","correlationId":null,"timestamp":1708272030000,"metadata":{"k":"v"},"ttl":5e3,"signature":"s"})";
  Envelope envelope;
  ASSERT_EQ(ParseEnvelope(frame, &envelope), "");
  EXPECT_EQ(envelope.id, R"("i\u0031")");
  EXPECT_EQ(envelope.from, "@(a/b)");
  EXPECT_EQ(envelope.from_json, R"j("@(a\/b)")j");
  EXPECT_EQ(envelope.to, "c/d");
  EXPECT_EQ(envelope.payload_json, R"({"n": 1.0e2,"n":2})");
  EXPECT_EQ(envelope.payload.Find("n"), "2");
  EXPECT_EQ(envelope.metadata.Find("k"), "\"v\"");
  EXPECT_EQ(envelope.ttl_json, "5e3");
  EXPECT_EQ(envelope.ttl_ms, 5000);
  EXPECT_EQ(envelope.timestamp_ms, 1708272030000);
  EXPECT_TRUE(envelope.ask);
}

TEST(EnvelopeTest, WithoutAPatternTheHubsTypesAskAndOthersTell) {
  const auto ask = [](const std::string& type, const std::string& pattern) {
    Envelope envelope;
    const std::string frame = R"({"type":")" + type + R"(","from":"a/b")" + pattern + "}";
    EXPECT_EQ(ParseEnvelope(frame, &envelope), "");
    return envelope.ask;
  };
  EXPECT_TRUE(ask("hub:send", ""));
  EXPECT_TRUE(ask("hub:send", R"(,"pattern":null)"));
  EXPECT_FALSE(ask("hub:send", R"(,"pattern":"tell")"));
  EXPECT_FALSE(ask("chat", ""));
  EXPECT_TRUE(ask("chat", R"(,"pattern":"ask")"));
}

TEST(EnvelopeTest, SaysWhatIsWrong) {
  for (const char* frame :
       {"", "hello", "{", R"({"type":"x"})", R"({"from":"a"})", R"({"type":1,"from":"a"})",
        R"({"type":"x","from":null})", R"({"type":"","from":"a"})", "[]", "null",
        "{\"type\":\"\xff\",\"from\":\"a\"}"}) {
    Envelope envelope;
    EXPECT_NE(ParseEnvelope(frame, &envelope), "") << frame;
  }
}

TEST(EnvelopeTest, WritesAllFields) {
  const Outgoing outgoing{
      .type = "t\"", .from = "\"hub\"", .payload = "[1.0]", .id = "\"i\"", .timestamp = "7"};
  EXPECT_EQ(EnvelopeHead("\"me\"") + EnvelopeTail(outgoing),
            R"({"to":"me","id":"i","from":"hub","type":"t\"","payload":[1.0],"pattern":"tell",)"
            R"("correlationId":null,"timestamp":7,"metadata":{},"ttl":null,"signature":null})");
  const std::string one = NewEnvelopeTail({.type = "t", .from = "\"hub\""}, 7);
  EXPECT_NE(one, NewEnvelopeTail({.type = "t", .from = "\"hub\""}, 7)) << "ids are new";
}

}  // namespace
}  // namespace dormouse::signal
