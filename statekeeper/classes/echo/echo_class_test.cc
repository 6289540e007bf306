#include "statekeeper/classes/echo/echo_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/clock.h"
#include "common/json/json_reader.h"
#include "statekeeper/classes/testing/fake_edge.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse {
namespace {

using testing::SizeIs;

class EchoClassTest : public testing::Test {
 protected:
  // The one frame that a client got.
  std::string Frame(const ConnectionId& client) {
    const auto frames = hub_.TakeFrames(client);
    EXPECT_THAT(frames, SizeIs(1));
    EXPECT_TRUE(!frames.empty() && IsValidJson(frames[0])) << testing::PrintToString(frames);
    return frames.empty() ? "" : frames[0];
  }
  std::string Answer(const ConnectionId& client, std::string_view frame) {
    hub_.ClientSends(client, frame);
    return Frame(client);
  }
  // `{"type":...}` with the end that every reply has.
  std::string WithEnd(const std::string& begin, const ConnectionId& client) {
    return begin + R"(,"connectionId":")" + client.ToString() + R"("})";
  }
  std::string Now() { return Iso8601(hub_.now_ms()); }

  const std::unique_ptr<HubClass> class_ = NewEchoClass(Options());
  FakeContext hub_{*class_, "test-room"};
};

TEST_F(EchoClassTest, WelcomesWithTheConnectionsIdWhichIsAlsoInItsAttachment) {
  const ConnectionId client = hub_.ClientConnects();
  const std::string welcome = Frame(client);
  const JsonObject fields(welcome);
  EXPECT_EQ(fields.Find("type"), "\"welcome\"");
  EXPECT_TRUE(IsJsonString(fields.Find("message")));
  EXPECT_EQ(JsonString(fields.Find("connectionId")), client.ToString());
  EXPECT_EQ(fields.Find("heartbeatInterval"), "20000");
  EXPECT_EQ(hub_.FindConnection(client)->attachment,
            R"({"connectionId":")" + client.ToString() + R"(","connectedAt":")" + Now() + "\"}");
}

TEST_F(EchoClassTest, AnswersEveryKindOfFrame) {
  const ConnectionId client = hub_.ClientConnects();
  Frame(client);
  const std::string end = R"(,"timestamp":")" + Now() + "\"";
  const auto echo = [&](const std::string& message) {
    return WithEnd(R"({"type":"echo","message":)" + message + end + R"(,"connections":1)", client);
  };
  EXPECT_EQ(Answer(client, R"({"type":"heartbeat"})"), WithEnd(R"({"type":"heartbeat_ack")" + end, client));
  EXPECT_EQ(Answer(client, R"({"type":"ping","x":1})"), WithEnd(R"({"type":"pong")" + end, client));
  EXPECT_EQ(Answer(client, R"({"type":"message","message":"hi"})"), echo("\"hi\""));
  EXPECT_EQ(Answer(client, R"({"message":{"n":1.0e2}})"), echo(R"({"n":1.0e2})"));
  EXPECT_EQ(Answer(client, R"({"text":"hi"})"), echo(R"("{\"text\":\"hi\"}")"));
  EXPECT_EQ(Answer(client, "hello"), echo("\"hello\""));
  EXPECT_EQ(Answer(client, "[1]"), echo("\"[1]\""));
  EXPECT_EQ(Answer(client, ""), echo("\"\""));
  EXPECT_EQ(Answer(client, "a\xff"), echo("\"a\xef\xbf\xbd\""));
}

TEST_F(EchoClassTest, CountsOpenSockets) {
  const ConnectionId one = hub_.ClientConnects();
  const ConnectionId two = hub_.ClientConnects();
  Frame(one);
  const std::string both = Answer(one, "x");
  EXPECT_EQ(JsonObject(both).Find("connections"), "2");
  hub_.ClientCloses(two);
  const std::string alone = Answer(one, "x");
  EXPECT_EQ(JsonObject(alone).Find("connections"), "1");
}

TEST_F(EchoClassTest, AnEchoWritesNothingAndReadsNoRows) {
  const ConnectionId client = hub_.ClientConnects();
  for (const char* frame : {"x", R"({"type":"ping"})", R"({"type":"heartbeat"})"}) {
    hub_.ClientSends(client, frame);
    EXPECT_EQ(hub_.rows_written() + hub_.attachments_written() + hub_.rows_read(), 0u) << frame;
  }
  EXPECT_FALSE(hub_.alarm().has_value());
}

TEST_F(EchoClassTest, AHubThatSleptAnswersTheSame) {
  const ConnectionId client = hub_.ClientConnects();
  Frame(client);
  const std::string before = Answer(client, R"({"type":"ping"})");
  hub_.Sleep();
  EXPECT_EQ(Answer(client, R"({"type":"ping"})"), before);
}

TEST_F(EchoClassTest, AFailureIsSaid) {
  const ConnectionId client = hub_.ClientConnects();
  Frame(client);
  hub_.FailNextCommit();
  const std::string error = Answer(client, "x");
  EXPECT_EQ(JsonObject(error).Find("type"), "\"error\"");
  EXPECT_EQ(JsonObject(error).Find("code"), "\"timeout\"");
}

TEST_F(EchoClassTest, TheEdgeAnswersHeartbeatsAsTheHubDoesAndNothingElse) {
  const ConnectionId client = hub_.ClientConnects();
  Frame(client);
  const EdgeValues values = {{link::Template::NOW_ISO, Now()},
                             {link::Template::CONNECTION_ID, client.ToString()}};
  const std::string heartbeat = R"({"type":"heartbeat","timestamp":1})";
  EXPECT_EQ(EdgeReply(class_->profile(), heartbeat, values), Answer(client, heartbeat));
  EXPECT_FALSE(EdgeReply(class_->profile(), R"({"type":"ping"})", values).has_value())
      << "a ping wakes the hub";

  Options options;
  options.edge_heartbeats = false;
  EXPECT_FALSE(EdgeReply(NewEchoClass(options)->profile(), heartbeat, values).has_value());
}

TEST_F(EchoClassTest, ProfileTellsTheEdgeItsRules) {
  const link::ClassProfile& profile = class_->profile();
  ASSERT_EQ(profile.routes_size(), 2);
  EXPECT_EQ(profile.routes(0).path() + ">" + profile.routes(0).hub_name(), "/websocket>test-room");
  EXPECT_EQ(profile.routes(1).path() + ">" + profile.routes(1).hub_name(), "/websocket/{name}>");
  EXPECT_EQ(profile.idle_timeout_ms(), 70'000u) << "one heartbeat a minute is enough";
  EXPECT_TRUE(profile.binary_is_text());
  EXPECT_EQ(profile.idle_check_ms(), 60'000u);
  EXPECT_EQ(profile.idle_close_code(), 1000u);
  EXPECT_EQ(profile.idle_close_reason(), "Connection timeout");
  EXPECT_EQ(profile.max_message_size(), 1u << 20);
  EXPECT_EQ(profile.rate_limit(), 0);
  EXPECT_EQ(profile.outbound_pause_messages(), 1000u);
  EXPECT_EQ(profile.outbound_resume_messages(), 500u);
  EXPECT_EQ(profile.admission_timeout_ms(), 0u) << "it lets everybody in";
  EXPECT_EQ(
      FillTemplate(profile.too_large_reply(), "",
                   {{link::Template::ACTUAL_SIZE, "2000000"},
                    {link::Template::MAX_SIZE, "1048576"},
                    {link::Template::NOW_ISO, "T"},
                    {link::Template::CONNECTION_ID, "C"}}),
      R"({"type":"error","code":"message_too_large","message":"The frame is larger than this hub takes.",)"
      R"("actualSize":2000000,"maxSize":1048576,"timestamp":"T","connectionId":"C"})");
}

}  // namespace
}  // namespace dormouse
