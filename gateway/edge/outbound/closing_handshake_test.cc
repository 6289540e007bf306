// How connections end, by whoever ends them. Through an EdgeServer.
#include "gateway/edge/outbound/closing_handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using ClosingHandshakeTest = EdgeServerTest;

class LeavingTest : public EdgeServerTest {
 protected:
  // A client for which far more waits than the kernel takes, and its handle.
  std::pair<TestClient, uint64_t> OpenWithBacklog() {
    size_t at = links_->event_count();
    TestClient client = Open("/room", 4096);
    const uint64_t connection = links_->WaitForKind(EventKind::kOpen, at, &at).connection;
    for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
    for (int i = 0; i < 2; ++i) links_->Run([] {});  // until all has been written or waits, and gauges say so
    EXPECT_GT(metrics_->outbound_queued_bytes->Value(), 5e6);
    return {std::move(client), connection};
  }
  FakeLinks::Event CloseOf(uint64_t connection) {
    for (size_t at = 0;; ++at) {
      FakeLinks::Event event = links_->WaitForKind(EventKind::kClose, at, &at);
      if (event.connection == connection) return event;
    }
  }

  static constexpr int kMessages = 150;
};

TEST_F(ClosingHandshakeTest, PassesTheClientsCloseOn) {
  Start();
  TestClient client = Open();
  client.SendClose(4321, "my reasons");
  const TestClient::Frame answer = client.ReadClose();
  EXPECT_EQ(answer.close_code(), 4321);
  EXPECT_TRUE(client.ReadsEnd());
  ExpectCloseEvent(4321, "my reasons");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(ClosingHandshakeTest, EndsTheStreamAsSoonAsBothHaveSaidClose) {
  EdgeServer::Config config;
  config.close_timeout_ms = 3'600'000;
  Start("", config);
  TestClient client = Open();
  DeliverClose(links_->WaitForEvent(0).connection, 4000, "enough");
  EXPECT_EQ(client.ReadClose().close_code(), 4000);
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(ClosingHandshakeTest, ACloseWithoutACodeIs1005) {
  Start();
  TestClient client = Open();
  client.Send(TestClient::kClose, "");
  EXPECT_EQ(client.ReadFrame()->opcode, TestClient::kClose);
  ExpectCloseEvent(1005, "");
  EXPECT_TRUE(links_->WaitForEvent(1).close_by_client()) << "a good-bye all the same";
}

TEST_F(ClosingHandshakeTest, ABrokenConnectionIs1006) {
  Start();
  TestClient aborted = Open();
  aborted.Abort();
  ExpectCloseEvent(1006, "");
  EXPECT_FALSE(links_->WaitForEvent(1).close_by_client());
  { const TestClient left = Open(); }
  ExpectCloseEvent(1006, "", 3);
  EXPECT_FALSE(links_->WaitForEvent(3).close_by_client());
}

TEST_F(ClosingHandshakeTest, TheHubClosesWithCodeAndReasonAfterWhatItSent) {
  Start();
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  DeliverText({connection}, "last words");
  DeliverClose(connection, 4000, "enough");
  DeliverText({connection}, "after the end");
  EXPECT_EQ(client.ReadMessage(), "last words");
  const TestClient::Frame close = client.ReadClose();
  EXPECT_EQ(close.close_code(), 4000);
  EXPECT_EQ(close.close_reason(), "enough");
  EXPECT_TRUE(client.ReadsEnd());
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 1u);  // the hub knows
}

TEST_F(ClosingHandshakeTest, NothingIsHeardFromAConnectionThatTheHubClosed) {
  Start();
  TestClient client = Open();
  DeliverClose(links_->WaitForEvent(0).connection, 1000, "");
  while (client.ReadFrame()->opcode != TestClient::kClose) {
  }
  client.SendText("too late");
  client.Send(TestClient::kClose, "\x03\xe8");
  EXPECT_TRUE(client.ReadsEnd());
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 1u);
}

TEST_F(ClosingHandshakeTest, AClientThatDoesNotAnswerACloseIsDropped) {
  EdgeServer::Config config;
  config.close_timeout_ms = 100;
  Start("", config);
  TestClient client = Open();
  DeliverClose(links_->WaitForEvent(0).connection, 1000, "");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(client.ReadFrame()->opcode, TestClient::kClose);
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(ClosingHandshakeTest, BadFramesCloseWith1002) {
  Start();
  const std::string wrong[] = {
      TestClient::FrameBytes(TestClient::kText, "unmasked", true, false),
      TestClient::FrameBytes(TestClient::kBinary, std::string(200, 'u'), true, false),
      TestClient::FrameBytes(TestClient::kText, std::string(3000, 'u'), true, false),
      TestClient::FrameBytes(TestClient::kText, "reserved", true, true, 4),
      TestClient::FrameBytes(static_cast<TestClient::Opcode>(3), "opcode"),
      TestClient::FrameBytes(static_cast<TestClient::Opcode>(11), "opcode"),
      TestClient::FrameBytes(TestClient::kContinuation, "of nothing"),
      TestClient::FrameBytes(TestClient::kPing, "in pieces", false),
      TestClient::FrameBytes(TestClient::kText, "one", false) +
          TestClient::FrameBytes(TestClient::kText, "two"),
      TestClient::FrameBytes(TestClient::kText, "good") +
          TestClient::FrameBytes(TestClient::kText, "unmasked", true, false),
  };
  for (const std::string& bytes : wrong) {
    const size_t before = links_->event_count();
    TestClient client = Open();
    client.SendRaw(bytes);
    EXPECT_EQ(client.ReadClose().close_code(), 1002) << testing::PrintToString(bytes);
    EXPECT_EQ(links_->WaitForKind(EventKind::kClose, before).close_code(), 1002)
        << testing::PrintToString(bytes);
  }
}

TEST_F(ClosingHandshakeTest, ABreachOfTheProtocolIsTheLastThingThatCounts) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  client.SendRaw(TestClient::FrameBytes(TestClient::kPing, std::string(126, 'p')) +
                 TestClient::FrameBytes(TestClient::kPing, "p") +
                 TestClient::FrameBytes(TestClient::kText, "text"));
  EXPECT_EQ(client.ReadFrame()->close_code(), 1002) << "the first and only frame";
  EXPECT_TRUE(client.ReadsEnd());
  ExpectCloseEvent(1002, "Control frames carry at most 125 bytes");
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(ClosingHandshakeTest, TextThatIsNotUtf8ClosesWith1007) {
  Start();
  TestClient client = Open();
  client.SendText("caf\xe9");
  EXPECT_EQ(client.ReadClose().close_code(), 1007);
  ExpectCloseEvent(1007, "Text must be UTF-8");
  TestClient binary = Open();
  binary.Send(TestClient::kBinary, "caf\xe9");
  EXPECT_EQ(links_->WaitForKind(EventKind::kBinary, 2).payload, "caf\xe9");
}

TEST_F(LeavingTest, AClientThatClosesIsHeardAndAnsweredThoughMegabytesWaitForIt) {
  Start("outbound_limit: 500000000");
  for (const uint16_t code : {1000, 1001, 1005, 4000}) {
    auto [client, connection] = OpenWithBacklog();
    if (code == 1005) {
      client.Send(TestClient::kClose, "");
    } else {
      client.SendClose(code, "bye");
    }
    // Before it has read a byte.
    const FakeLinks::Event close = CloseOf(connection);
    EXPECT_EQ(close.close_code(), code);
    EXPECT_EQ(close.close_reason(), code == 1005 ? "" : "bye");
    EXPECT_TRUE(close.close_by_client());
    size_t whole = 0;
    std::optional<TestClient::Frame> frame;
    while ((frame = client.ReadFrame()) && frame->opcode != TestClient::kClose) whole += frame->final ? 1 : 0;
    ASSERT_TRUE(frame.has_value()) << "its close frame must be answered: " << code;
    if (code == 1005) {
      EXPECT_EQ(frame->payload, "");
    } else {
      EXPECT_EQ(frame->close_code(), code);
    }
    EXPECT_TRUE(client.ReadsEnd());
    WaitForGauge(metrics_->connections, 0);
    EXPECT_LT(whole, static_cast<size_t>(kMessages)) << "or the test says nothing";
    // What was not written whole goes back to the hub.
    std::vector<int> returned;
    for (size_t at = 0; returned.size() < kMessages - whole; ++at) {
      const FakeLinks::Event event = links_->WaitForKind(EventKind::kUndelivered, at, &at);
      if (event.connection == connection) returned.push_back(std::stoi(event.payload));
    }
    EXPECT_EQ(returned.front(), static_cast<int>(whole));
    EXPECT_EQ(returned.back(), kMessages - 1);
  }
}

TEST_F(LeavingTest, WhoNeverReadsHisCloseFrameIsLetGo) {
  EdgeServer::Config config;
  config.close_timeout_ms = 300;
  Start("outbound_limit: 500000000", config);
  auto [client, connection] = OpenWithBacklog();
  client.SendClose(1000, "");
  EXPECT_EQ(CloseOf(connection).close_code(), 1000);
  WaitForGauge(metrics_->connections, 0);
}

TEST_F(LeavingTest, HowItEndedIsWhatTheClientSaidBeforeItWasGone) {
  Start("outbound_limit: 500000000");
  for (int i = 0; i < 20; ++i) {
    auto [polite, a] = OpenWithBacklog();
    polite.SendClose(1000, "");
    polite.Abort();  // reset: it has not read all
    EXPECT_EQ(CloseOf(a).close_code(), 1000);
    EXPECT_TRUE(CloseOf(a).close_by_client());
    WaitForGauge(metrics_->connections, 0);
  }
  auto [broken, b] = OpenWithBacklog();
  broken.Abort();
  EXPECT_EQ(CloseOf(b).close_code(), 1006);
  EXPECT_FALSE(CloseOf(b).close_by_client());
  auto [half, c] = OpenWithBacklog();
  half.EndOutput();
  EXPECT_EQ(CloseOf(c).close_code(), 1006);
  WaitForGauge(metrics_->connections, 0);
}

}  // namespace
}  // namespace dormouse::edge
