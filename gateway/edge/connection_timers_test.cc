// Which connections are closed for their silence, or for want of admission. Through an EdgeServer.
#include "gateway/edge/connection_timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using ConnectionTimersTest = EdgeServerTest;

TEST_F(ConnectionTimersTest, SilentSocketsAreClosedAndOnlyThose) {
  Start(
      R"(idle_timeout_ms: 400 idle_check_ms: 100 idle_close_code: 4408
           idle_close_reason: "Connection timeout")");
  TestClient silent = Open();
  TestClient pinging = Open();
  TestClient empty_ponging = Open();
  TestClient heartbeating = Open();
  const int64_t began = SteadyMs();
  std::optional<int64_t> closed;
  while (SteadyMs() - began < 1500) {
    pinging.Send(TestClient::kPing, "");
    empty_ponging.Send(TestClient::kPong, "");
    heartbeating.SendText(R"({"type":"heartbeat"})");
    if (!silent.HasNothing(100) && !closed.has_value()) {
      closed = SteadyMs() - began;
      const TestClient::Frame close = silent.ReadClose();
      EXPECT_EQ(close.close_code(), 4408);
      EXPECT_EQ(close.close_reason(), "Connection timeout");
      EXPECT_TRUE(silent.ReadsEnd());
    }
    if (closed.has_value()) std::this_thread::yield();
  }
  ASSERT_TRUE(closed.has_value());
  EXPECT_GE(*closed, 390);
  EXPECT_LE(*closed, 1000);
  ExpectCloseEvent(4408, "Connection timeout", 4);
  EXPECT_EQ(links_->event_count(), 5u);
  WaitForGauge(metrics_->connections, 3);
}

TEST_F(ConnectionTimersTest, ANewProfileHoldsForOpenConnections) {
  Start();
  TestClient client = Open();
  links_->Run([this] {
    edge_->OnProfiles(
        {Profile(std::string(kRoom) + "idle_timeout_ms: 200 idle_check_ms: 50 idle_close_code: 4408")}, 16);
  });
  EXPECT_EQ(client.ReadClose().close_code(), 4408);
}

TEST_F(ConnectionTimersTest, WhoIsNotAdmittedInTimeIsClosed) {
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

TEST_F(ConnectionTimersTest, AdmissionIsNotAskedOfAClientThatIsNotRead) {
  Start(R"(admission_timeout_ms: 200)");
  links_->Congest(true);
  TestClient client = Open();
  WaitForGauge(metrics_->congested, 1);
  EXPECT_TRUE(client.HasNothing(600));
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  EXPECT_EQ(client.ReadClose().close_code(), 1008);
}

}  // namespace
}  // namespace dormouse::edge
