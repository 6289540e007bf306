// How a gateway stops. Through an EdgeServer.
#include "gateway/edge/socket_drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using SocketDrainTest = EdgeServerTest;

TEST_F(SocketDrainTest, DrainClosesEverySocketWithinTheWindow) {
  EdgeServer::Config config;
  config.drain_window_ms = 500;
  Start("", config);
  std::vector<TestClient> clients;
  clients.reserve(40);
  for (int i = 0; i < 40; ++i) clients.push_back(Open());
  std::promise<int64_t> done;
  const int64_t began = SteadyMs();
  links_->SetUnsettled(1);
  links_->Run([&] { edge_->Drain([&] { done.set_value(SteadyMs()); }); });
  EXPECT_FALSE(edge_->readiness().ready);
  EXPECT_THROW(TestClient{port()}, std::runtime_error);  // gives up its port at once
  for (TestClient& client : clients) {
    const TestClient::Frame close = client.ReadClose();
    EXPECT_EQ(close.close_code(), 1001);
    EXPECT_EQ(close.close_reason(), "Going Away");
  }
  EXPECT_GE(SteadyMs() - began, 250);  // spread over the window
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(links_->WaitForEvent(40 + i).close_code(), 1001);
  std::future<int64_t> end = done.get_future();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(end.wait_for(std::chrono::milliseconds(100)),
            std::future_status::timeout);  // closes are not settled yet
  links_->SetUnsettled(0);
  EXPECT_EQ(end.wait_for(std::chrono::seconds(4)), std::future_status::ready);
}

TEST_F(SocketDrainTest, ASecondSignalEndsTheDrainSooner) {
  EdgeServer::Config config;
  config.drain_window_ms = 3'600'000;
  Start("", config);
  TestClient client = Open();
  std::promise<void> done;
  links_->Run([&] { edge_->Drain([] { FAIL() << "the second call's is the one to be called"; }); });
  EXPECT_TRUE(client.HasNothing(50));
  links_->Run([&] { edge_->Drain([&] { done.set_value(); }); });
  EXPECT_EQ(client.ReadClose().close_code(), 1001);
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(SocketDrainTest, AnEmptyGatewayDrainsAtOnceAndWaitsForSettlingOnlySoLong) {
  EdgeServer::Config config;
  config.drain_window_ms = 3'600'000;
  config.settle_timeout_ms = 100;
  Start("", config);
  links_->SetUnsettled(7);
  std::promise<void> done;
  links_->Run([&] { edge_->Drain([&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace dormouse::edge
