// How clients' messages come to their hubs: whole, in order, and as fast as those take them. Through an
// EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using MessagesTest = EdgeServerTest;

TEST_F(MessagesTest, ForwardsFramesOfAllKindsAndSizes) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {0, 1, 125, 126, 127, 495, 496, 500, 512, 513, 1000, 2048, 4000}) {
    const std::string text(size, 't');
    client.SendText(text);
    EXPECT_EQ(client.ReadMessage(), text);
    std::string binary(size, '\xff');
    client.Send(TestClient::kBinary, binary);
    const auto frame = client.ReadFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->opcode, TestClient::kBinary);
    EXPECT_EQ(frame->payload, binary);
  }
  EXPECT_EQ(links_->WaitForEvent(1).kind, EventKind::kText);
  EXPECT_EQ(links_->WaitForEvent(2).kind, EventKind::kBinary);
}

TEST_F(MessagesTest, PutsFragmentsTogether) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  client.Send(TestClient::kText, "gr\xc3", false);  // cut within a character
  client.Send(TestClient::kContinuation, "", false);
  client.Send(TestClient::kPing, "amid");
  EXPECT_EQ(client.ReadFrame()->payload, "amid");
  client.Send(TestClient::kContinuation, "\xbc\xc3\x9f", false);
  client.Send(TestClient::kContinuation, "", true);
  EXPECT_EQ(client.ReadMessage(), "grüß");
  client.Send(TestClient::kText, "", false);
  client.Send(TestClient::kContinuation, std::string(1500, 'x'), true);
  EXPECT_EQ(client.ReadMessage(), std::string(1500, 'x'));
}

TEST_F(MessagesTest, TakesAFrameByteByByte) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {20, 300}) {
    const std::string text(size, 'b');
    for (const char c : TestClient::FrameBytes(TestClient::kText, text)) client.SendRaw({&c, 1});
    EXPECT_EQ(client.ReadMessage(), text);
  }
}

TEST_F(MessagesTest, KeepsTheOrderOfManyFramesInOneSegment) {
  Start();
  TestClient client = Open();
  std::string bytes;
  for (int i = 0; i < 500; ++i)
    bytes += TestClient::FrameBytes(TestClient::kText, "frame " + std::to_string(i));
  client.SendRaw(bytes);
  for (size_t i = 0; i < 500; ++i)
    EXPECT_EQ(links_->WaitForEvent(i + 1).payload, "frame " + std::to_string(i));
}

TEST_F(MessagesTest, WhoHasMuchUnderWayStandsInLine) {
  Start();
  const link::ClassProfile large =
      Profile(R"(name: "large" routes { path: "/large/{name}" } max_message_size: 1000000)");
  links_->Run([&] { edge_->OnProfiles({large}, 16); });
  links_->Settle(false);
  TestClient client = Open("/large/a");
  TestClient other = Open("/large/a");
  const std::string half(EventWriter::kFairBytes / 2, 'x');
  for (int i = 0; i < 2; ++i) client.SendText(half);
  client.SendText("small");
  size_t at = 0;
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at, &at).in_line);
  EXPECT_TRUE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  EXPECT_TRUE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  other.SendText("small");
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  links_->Settle(true);
  links_->Run([] {});
  client.SendText("small again");
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at + 1).in_line);
}

TEST_F(MessagesTest, ACongestedLaneStopsReadingAndGoesOnWithoutLoss) {
  Start();
  TestClient client = Open();
  TestClient other = Open();
  links_->WaitForEvent(1);
  links_->Congest(true);
  constexpr size_t kFrames = 2000;
  std::string bytes;
  for (size_t i = 0; i < kFrames; ++i)
    bytes += TestClient::FrameBytes(TestClient::kText, "frame " + std::to_string(i));
  std::thread sender([&] { client.SendRaw(bytes); });
  EXPECT_EQ(links_->WaitForEvent(2).payload, "frame 0");
  WaitForGauge(metrics_->congested, 1);
  for (int i = 0; i < 100; ++i) links_->Run([] {});
  EXPECT_EQ(links_->event_count(), 3u);  // not one more was read

  links_->Run([this] { edge_->OnUncongested(); });  // somebody else's lane: this one still is
  EXPECT_EQ(links_->event_count(), 3u);
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  for (size_t i = 0; i < kFrames; ++i)
    ASSERT_EQ(links_->WaitForEvent(i + 2).payload, "frame " + std::to_string(i));
  sender.join();
  WaitForGauge(metrics_->congested, 0);
}

TEST_F(MessagesTest, ACongestedConnectionCanGo) {
  Start();
  links_->Congest(true);
  TestClient client = Open();
  WaitForGauge(metrics_->congested, 1);
  DeliverClose(links_->WaitForEvent(0).connection, 4000, "evicted");
  EXPECT_EQ(client.ReadClose().close_code(), 4000);
  WaitForGauge(metrics_->connections, 0);
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  WaitForGauge(metrics_->congested, 0);
}

TEST_F(MessagesTest, AMessageMustBeWholeWithinTheIdleTimeout) {
  Start(R"(idle_timeout_ms: 400 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient fragments = Open();
  TestClient within_a_frame = Open();
  TestClient slow_but_done = Open();
  const std::string frame = TestClient::FrameBytes(TestClient::kText, std::string(3000, 'x'));
  const int64_t began = SteadyMs();
  fragments.Send(TestClient::kText, "x", false);
  within_a_frame.SendRaw(frame.substr(0, 10));
  bool half = false;
  while (SteadyMs() - began < 390) {
    EXPECT_TRUE(within_a_frame.HasNothing(0));
    fragments.Send(TestClient::kContinuation, "x", false);
    within_a_frame.SendRaw("x");
    slow_but_done.Send(half ? TestClient::kContinuation : TestClient::kText, "x", half);
    half = !half;
    fragments.HasNothing(20);
  }
  if (half) slow_but_done.Send(TestClient::kContinuation, "x");
  EXPECT_EQ(fragments.ReadClose().close_code(), 4408);
  EXPECT_EQ(within_a_frame.ReadClose().close_code(), 4408);
  EXPECT_LT(SteadyMs() - began, 5'000);
  slow_but_done.Send(TestClient::kPing, "still here");
  EXPECT_EQ(slow_but_done.ReadFrame()->opcode, TestClient::kPong);
}

TEST_F(MessagesTest, PingsDoNotKeepAnUnfinishedMessageAlive) {
  Start(R"(idle_timeout_ms: 300 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient client = Open();
  client.Send(TestClient::kText, "x", false);
  const int64_t began = SteadyMs();
  std::optional<TestClient::Frame> frame;
  do {
    client.Send(TestClient::kPing, "");
    frame = client.ReadFrame();
  } while (frame.has_value() && frame->opcode == TestClient::kPong && SteadyMs() - began < 10'000);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->opcode, TestClient::kClose);
  EXPECT_EQ(frame->close_code(), 4408);
}

TEST_F(MessagesTest, WhenMemoryIsShortTheUnfinishedMessageGoesThatCostsMost) {
  EdgeServer::Config config;
  config.inbound_buffer = 8'000;
  Start("", config);
  links_->Echo(true);
  TestClient first = Open();
  TestClient second = Open();
  TestClient third = Open();
  first.Send(TestClient::kText, std::string(3000, 'a'), false);
  while (metrics_->inbound_partial_bytes->Value() < 3'000) links_->Run([] {});
  second.Send(TestClient::kText, std::string(2000, 'b'), false);
  while (metrics_->inbound_partial_bytes->Value() < 5'000) links_->Run([] {});
  third.Send(TestClient::kText, std::string(4000, 'c'), false);
  EXPECT_EQ(first.ReadClose().close_code(), 1013);
  ExpectCloseEvent(1013, "Too many unfinished messages");
  EXPECT_EQ(Metric("dormouse_closes_total", "partials_full"), 1);
  third.Send(TestClient::kContinuation, "");
  EXPECT_EQ(third.ReadMessage(), std::string(4000, 'c'));
  second.Abort();
  WaitForGauge(metrics_->inbound_partial_bytes, 0);
}

TEST_F(MessagesTest, WhoComesAlongIsServedBesideAnyNumberOfUnfinishedMessages) {
  EdgeServer::Config config;
  config.inbound_buffer = 20'000;
  Start("", config);
  links_->Echo(true);
  TestClient innocent = Open();
  std::vector<TestClient> crowd;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(Open());
    crowd.back().Send(TestClient::kText, std::string(3000, 'x'), false);
    // In pieces, as they come over a network.
    const std::string bytes = TestClient::FrameBytes(TestClient::kText, std::string(3900, 'i'));
    innocent.SendRaw(bytes.substr(0, 2000));
    for (TestClient& trickles : crowd) trickles.Send(TestClient::kContinuation, "y", false);
    innocent.SendRaw(bytes.substr(2000));
    ASSERT_EQ(innocent.ReadMessage(), std::string(3900, 'i')) << i;
  }
  EXPECT_GE(Metric("dormouse_closes_total", "partials_full"), 30);
}

TEST_F(MessagesTest, AMessageThatNeedsMoreThanThereIsEndsItsOwnConnection) {
  EdgeServer::Config config;
  config.inbound_buffer = 2'000;
  Start("", config);
  TestClient client = Open();
  client.Send(TestClient::kText, std::string(3000, 'a'), false);
  EXPECT_EQ(client.ReadClose().close_code(), 1013);
}

}  // namespace
}  // namespace dormouse::edge
