// What the edge says by itself to clients' messages: to those that are too large or too many, and to
// heartbeats. Through an EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using EdgeAnswersTest = EdgeServerTest;

TEST_F(EdgeAnswersTest, OversizedFramesAreDroppedWithAReply) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {4001, 9000, 16'000}) {
    client.SendText(std::string(size, 'x'));
    EXPECT_EQ(client.ReadMessage(), "too large " + std::to_string(size) + " 4000.");
  }
  client.Send(TestClient::kBinary, std::string(3000, 'x'), false);  // too large only together
  client.Send(TestClient::kContinuation, std::string(3000, 'x'), true);
  EXPECT_EQ(client.ReadMessage(), "too large 6000 4000.");
  const std::string frame = R"({"id":"7","data":")" + std::string(10'000, 'x') + R"("})";
  client.SendText(frame);
  EXPECT_EQ(client.ReadMessage(), R"(too large 10020 4000"7")");
  client.Send(TestClient::kText, frame.substr(0, 5), false);
  client.Send(TestClient::kContinuation, frame.substr(5, 3'995), false);
  client.Send(TestClient::kContinuation, frame.substr(4'000), true);
  EXPECT_EQ(client.ReadMessage(), R"(too large 10020 4000"7")");
  client.SendText("small again");
  EXPECT_EQ(client.ReadMessage(), "small again");
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(EdgeAnswersTest, FramesOfOverFourTimesTheLimitCloseWith1009) {
  Start();
  TestClient client = Open();
  client.SendText(std::string(16'001, 'x'));
  EXPECT_EQ(client.ReadClose().close_code(), 1009);
  ExpectCloseEvent(1009, "Message too large");
  TestClient announced = Open();
  announced.SendRaw(TestClient::FrameBytes(TestClient::kText, std::string(100'000, 'x')).substr(0, 20));
  EXPECT_EQ(announced.ReadClose().close_code(), 1009);  // by the announcement alone
  TestClient fragmented = Open();
  for (int i = 0; i < 5; ++i)
    fragmented.Send(i == 0 ? TestClient::kText : TestClient::kContinuation, std::string(4000, 'x'), false);
  EXPECT_EQ(fragmented.ReadClose().close_code(), 1009);
}

TEST_F(EdgeAnswersTest, WithoutAReplyAnOversizedFrameClosesWith1009) {
  Start();
  TestClient client = Open("/plain/a");
  client.SendText(std::string(4001, 'x'));
  EXPECT_EQ(client.ReadClose().close_code(), 1009);
  ExpectCloseEvent(1009, "Message too large");
}

TEST_F(EdgeAnswersTest, TooManyFramesAreDroppedWithAReply) {
  Start(R"(rate_limit: 0.5 rate_burst: 3 rate_exempt_types: "connect"
           rate_limited_reply { parts { literal: "slow down " } parts { value: RETRY_AFTER_S } })");
  TestClient client = Open();
  for (int i = 0; i < 5; ++i) client.SendText("message");
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  client.SendText(R"({"type":"connect"})");
  client.SendText(R"({"type":"heartbeat"})");  // answered at the edge, counted all the same
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(links_->WaitForEvent(4).payload, R"({"type":"connect"})");
  client.SendText(R"({"type":"connect"})");  // only the first is not counted
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(links_->event_count(), 5u);
  EXPECT_EQ(metrics_->rate_limited->Value(), 4);
}

TEST_F(EdgeAnswersTest, HeartbeatsDoNotReachTheHub) {
  Start();
  TestClient client = Open();
  const std::string id = ConnectionId{kGateway, links_->WaitForEvent(0).connection}.ToString();
  client.SendText(R"({"type":"heartbeat"})");
  EXPECT_EQ(client.ReadMessage(), R"({"ack":")" + id + R"("})");
  client.SendText(R"({"type":"other"})");
  EXPECT_EQ(links_->WaitForEvent(1).payload, R"({"type":"other"})");
  client.SendText(R"({"type":"heart\u0062eat"})");
  EXPECT_EQ(client.ReadMessage(), R"({"ack":")" + id + R"("})");
  client.Send(TestClient::kBinary, R"({"type":"heartbeat"})");
  EXPECT_EQ(links_->WaitForEvent(2).kind, EventKind::kBinary) << "who knows what that is?";
  EXPECT_EQ(metrics_->auto_responses->Value(), 2);
}

TEST_F(EdgeAnswersTest, HeartbeatsInBinaryFramesAreHeartbeatsWhereTheClassSaysSo) {
  Start("binary_is_text: true");
  TestClient client = Open();
  client.Send(TestClient::kBinary, R"({"type":"heartbeat"})");
  const std::optional<TestClient::Frame> ack = client.ReadFrame();
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->opcode, TestClient::kText);
  EXPECT_EQ(ack->payload.substr(0, 8), R"({"ack":")");
  client.Send(TestClient::kBinary, "\xff{\"type\":\"heartbeat\"}");
  EXPECT_EQ(links_->WaitForEvent(1).kind, EventKind::kBinary);
  EXPECT_EQ(links_->WaitForEvent(1).payload, "\xff{\"type\":\"heartbeat\"}");
}

TEST_F(EdgeAnswersTest, AHubCanHaveAFrameAnsweredOnOneConnection) {
  EdgeServer::Config config;
  config.http.upgrades.compression = true;
  Start("", config);
  TestClient client = Open();
  TestClient other = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  DeliverAutoResponse(connection, "ping", "pong");
  DeliverText({connection}, "set");
  EXPECT_EQ(client.ReadMessage(), "set");
  client.SendText("ping");
  EXPECT_EQ(client.ReadMessage(), "pong");
  client.Send(TestClient::kText, "pi", false);
  client.Send(TestClient::kContinuation, "ng");
  EXPECT_EQ(client.ReadMessage(), "pong");
  client.SendText("ping?");
  EXPECT_EQ(links_->WaitForEvent(2).payload, "ping?") << "nothing before it went to the hub";
  client.Send(TestClient::kBinary, "ping");
  EXPECT_EQ(links_->WaitForEvent(3).payload, "ping");
  other.SendText("ping");
  EXPECT_NE(links_->WaitForEvent(4).connection, connection);
  EXPECT_EQ(metrics_->auto_responses->Value(), 2);

  DeliverAutoResponse(connection, "ping", "another");
  DeliverText({connection}, "set");
  EXPECT_EQ(client.ReadMessage(), "set");
  client.SendText("ping");
  EXPECT_EQ(client.ReadMessage(), "another");
  DeliverAutoResponse(connection, "", "");
  DeliverText({connection}, "removed");
  EXPECT_EQ(client.ReadMessage(), "removed");
  client.SendText("ping");
  EXPECT_EQ(links_->WaitForEvent(5).payload, "ping");
}

TEST_F(EdgeAnswersTest, AFrameThatTheEdgeAnswersIsSeen) {
  Start();
  TestClient client = Open();
  const FakeLinks::Event open = links_->WaitForEvent(0);
  DeliverAutoResponse(open.connection, "ping", "pong");
  DeliverText({open.connection}, "set");
  EXPECT_EQ(client.ReadMessage(), "set");
  while (WallMs() <= open.last_seen_ms + 1) {  // until a later time can be told from it
  }
  client.SendText("ping");
  EXPECT_EQ(client.ReadMessage(), "pong");
  client.Abort();
  EXPECT_GT(links_->WaitForKind(EventKind::kClose, 1).last_seen_ms, open.last_seen_ms);
}

}  // namespace
}  // namespace dormouse::edge
