// Clients that take their time, in what they send, in what they read and in saying who they are. Through an
// EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "gateway/edge/edge_server_fixture.h"

namespace dormouse {
namespace {

using testing::StartsWith;

using SlowClientsTest = EdgeServerTest;

TEST_F(SlowClientsTest, ARequestThatTricklesIsCutOffAtTheDeadline) {
  EdgeServer::Config config;
  config.handshake_timeout_ms = 300;
  Start("", config);
  TestClient client(port());
  const int64_t began = SteadyMs();
  client.SendRaw("GET /room HTTP/1.1\r\nX: ");
  while (client.HasNothing(20) && SteadyMs() - began < 10'000) client.SendRaw("x");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_GE(SteadyMs() - began, 300);
  EXPECT_EQ(metrics_->handshake_timeouts->Value(), 1);
}

// --- Admission

TEST_F(SlowClientsTest, WhoIsNotAdmittedInTimeIsClosed) {
  Start(R"(admission_timeout_ms: 300 admission_close_code: 1008 admission_close_reason: "Connect timeout"
           idle_timeout_ms: 1500 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient unknown = Open();
  TestClient known = Open();
  const int64_t began = SteadyMs();
  DeliverAdmit(links_->WaitForEvent(1).connection);
  while (unknown.HasNothing(20)) unknown.SendText("I talk, but do not say who I am");
  const TestClient::Frame close = unknown.ReadClose();
  EXPECT_EQ(close.close_code(), 1008);
  EXPECT_EQ(close.close_reason(), "Connect timeout");
  EXPECT_GE(SteadyMs() - began, 280);
  ExpectCloseEvent(1008, "Connect timeout");
  EXPECT_EQ(Metric("dormouse_closes_total", "not_admitted"), 1);
  EXPECT_EQ(known.ReadClose().close_code(), 4408) << "the idle timeout is enforced as ever";
}

TEST_F(SlowClientsTest, AdmissionIsNotAskedOfAClientThatIsNotRead) {
  Start(R"(admission_timeout_ms: 200)");
  links_->Congest(true);
  TestClient client = Open();
  WaitForGauge(metrics_->congested, 1);
  EXPECT_TRUE(client.HasNothing(600));
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  EXPECT_EQ(client.ReadClose().close_code(), 1008);
}

// --- Messages in pieces

TEST_F(SlowClientsTest, AMessageMustBeWholeWithinTheIdleTimeout) {
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

TEST_F(SlowClientsTest, PingsDoNotKeepAnUnfinishedMessageAlive) {
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

TEST_F(SlowClientsTest, WhenMemoryIsShortTheUnfinishedMessageGoesThatCostsMost) {
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

TEST_F(SlowClientsTest, WhoComesAlongIsServedBesideAnyNumberOfUnfinishedMessages) {
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

TEST_F(SlowClientsTest, AMessageThatNeedsMoreThanThereIsEndsItsOwnConnection) {
  EdgeServer::Config config;
  config.inbound_buffer = 2'000;
  Start("", config);
  TestClient client = Open();
  client.Send(TestClient::kText, std::string(3000, 'a'), false);
  EXPECT_EQ(client.ReadClose().close_code(), 1013);
}

// --- Outbound

TEST_F(SlowClientsTest, ManySmallMessagesPauseAndResume) {
  Start("outbound_pause_messages: 100 outbound_resume_messages: 50 outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 3000;
  for (int i = 0; i < kMessages; ++i) DeliverText({connection}, std::to_string(i) + std::string(10'000, 'x'));
  size_t at = 0;
  uint32_t said = 50;
  for (int i = 0; i < 3; ++i) {
    const Backlog backlog = links_->WaitForKind(EventKind::kPause, at + 1, &at).backlog();
    EXPECT_GE(backlog.messages, 2 * said);
    EXPECT_LE(backlog.messages, 2 * said + 1);
    EXPECT_NEAR(static_cast<double>(backlog.bytes), backlog.messages * 10'004.0, 70'000);
    said = backlog.messages;
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_THAT(slow.ReadMessage(), StartsWith(std::to_string(i) + "x"));
  const Backlog backlog = links_->WaitForKind(EventKind::kResume, at + 1).backlog();
  EXPECT_LE(backlog.messages, 50u);
}

}  // namespace
}  // namespace dormouse
