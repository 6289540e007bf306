// For tests: an EdgeServer on a loop of its own, with links that are not there and two hub classes.
#pragma once

#include <ev.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/temp_dir.h"
#include "gateway/edge/edge_server.h"
#include "gateway/edge/testing/fake_links.h"
#include "gateway/edge/testing/test_client.h"

namespace dormouse::edge {

// Two classes: `room` with every rule, `plain` with none.
inline constexpr char kRoom[] = R"(
  name: "room"
  routes { path: "/room" hub_name: "lobby" }
  routes { path: "/room/{name}" }
  routes { path: "/" hub_name: "lobby" }
  auto_responses {
    type: "heartbeat"
    reply { parts { literal: "{\"ack\":\"" } parts { value: CONNECTION_ID } parts { literal: "\"}" } }
  }
  max_message_size: 4000
  too_large_reply {
    parts { literal: "too large " } parts { value: ACTUAL_SIZE }
    parts { literal: " " } parts { value: MAX_SIZE } parts { field: "id" otherwise: "." }
  }
)";
inline constexpr char kPlain[] = R"(name: "plain" routes { path: "/plain/{name}" } max_message_size: 4000)";
inline constexpr GatewayId kGateway = UuidHigh(0x123456789);

inline link::ClassProfile Profile(const std::string& text) {
  link::ClassProfile profile;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &profile));
  return profile;
}

class EdgeServerTest : public testing::Test {
 protected:
  EdgeServerTest() {
    std::ofstream(web_root_ / "index.html") << "<title>Dormouse</title>";
    std::ofstream(web_root_ / "app.js") << std::string(300'000, ';');
  }
  ~EdgeServerTest() override {
    if (thread_.joinable()) {
      links_->Run([this] { ev_break(loop_, EVBREAK_ALL); });
      thread_.join();
    }
    links_.reset();
    edge_.reset();
    if (loop_ != nullptr) ev_loop_destroy(loop_);
  }

  // `rules`: added to class room.
  void Start(const std::string& rules = "", EdgeServer::Config config = {}, bool with_profiles = true) {
    loop_ = ev_loop_new(EVBACKEND_EPOLL);
    metrics_ = std::make_unique<GatewayMetrics>(&registry_);
    config.gateway = kGateway;
    config.http.listen = "127.0.0.1:0";
    config.http.web_root = web_root_.path();
    edge_ = std::make_unique<EdgeServer>(config, loop_, metrics_.get());
    links_ = std::make_unique<FakeLinks>(loop_, edge_.get());
    ASSERT_EQ(edge_->Start(links_.get()), "");
    profiles_ = {Profile(kRoom + rules), Profile(kPlain)};
    if (with_profiles) edge_->OnProfiles(profiles_, 16);
    thread_ = std::thread([this] { ev_run(loop_, 0); });
  }

  int port() const { return edge_->port(); }
  TestClient Open(std::string_view path = "/room", int receive_buffer = 0) const {
    TestClient client(port(), receive_buffer);
    EXPECT_EQ(client.Upgrade(path).substr(0, 13), "HTTP/1.1 101 ");
    return client;
  }
  void DeliverText(const std::vector<uint64_t>& connections, std::string_view text) {
    std::vector<Recipient> recipients;
    recipients.reserve(connections.size());
    for (const uint64_t connection : connections) recipients.push_back({connection, {}});
    DeliveryToAppend delivery;
    delivery.recipients = recipients;
    delivery.payload = text;
    links_->Deliver(delivery);
  }
  void DeliverReturnable(uint64_t connection, std::string_view text) {
    const Recipient recipient{connection, {}};
    links_->Deliver({.cause = {}, .return_to = "room/lobby", .recipients = {&recipient, 1}, .payload = text});
  }
  // Large enough to wait, in more than one frame.
  static std::string Numbered(int i) { return std::to_string(i) + std::string(100'000, 'x'); }
  // The numbers of the messages that come whole before the close.
  static std::vector<int> ReadNumbers(TestClient* client) {
    std::vector<int> numbers;
    int begun = -1;
    for (;;) {
      const std::optional<TestClient::Frame> frame = client->ReadFrame();
      if (!frame || frame->opcode == TestClient::kClose) return numbers;
      if (frame->opcode != TestClient::kContinuation) begun = std::stoi(frame->payload);
      if (frame->final) numbers.push_back(begun);
    }
  }
  // The numbers of what came back, after the first event; as many as are awaited.
  std::vector<int> AwaitReturned(uint64_t connection, size_t count) {
    std::vector<int> numbers;
    for (size_t at = 1; numbers.size() < count; ++at) {
      const FakeLinks::Event event = links_->WaitForKind(EventKind::kUndelivered, at, &at);
      EXPECT_EQ(event.connection, connection);
      EXPECT_EQ(event.hub, "room/lobby");
      numbers.push_back(std::stoi(event.payload));
    }
    return numbers;
  }
  void DeliverAdmit(uint64_t connection, std::string_view role = "") {
    const Recipient recipient{connection, {}};
    links_->Deliver(
        {.kind = DeliveryKind::kAdmit, .cause = {}, .recipients = {&recipient, 1}, .payload = role});
  }
  void DeliverAutoResponse(uint64_t connection, std::string_view request, std::string_view reply) {
    const Recipient recipient{connection, {}};
    const std::string payload = AutoResponsePayload({request, reply});
    links_->Deliver({.kind = DeliveryKind::kAutoResponse,
                     .cause = {},
                     .recipients = {&recipient, 1},
                     .payload = payload});
  }
  // A delivery of kind close.
  void DeliverClose(uint64_t connection, uint16_t code, std::string_view reason) {
    const Recipient recipient{connection, {}};
    const std::string payload = ClosePayload(code, reason);
    DeliveryToAppend delivery;
    delivery.kind = DeliveryKind::kClose;
    delivery.recipients = {&recipient, 1};
    delivery.payload = payload;
    links_->Deliver(delivery);
  }
  // As /metrics would show it; `reason`: the value of its only label.
  double Metric(const std::string& name, const std::string& reason = "") const {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (reason.empty() || (metric.label.size() == 1 && metric.label[0].value == reason))
          return metric.counter.value + metric.gauge.value;
      }
    }
    ADD_FAILURE() << "no metric " << name << " " << reason;
    return -1;
  }
  // Waits until a metric has a value, letting the loop turn.
  void WaitForGauge(prometheus::Gauge* gauge, double value) {
    const int64_t until = SteadyMs() + 10'000;
    while (gauge->Value() != value) {
      ASSERT_LT(SteadyMs(), until) << gauge->Value();
      links_->Run([] {});
    }
  }
  void ExpectCloseEvent(uint16_t code, std::string_view reason, size_t from = 1) {
    const FakeLinks::Event event = links_->WaitForKind(EventKind::kClose, from);
    EXPECT_EQ(event.close_code(), code);
    EXPECT_EQ(event.close_reason(), reason);
  }

  TempDir web_root_;
  prometheus::Registry registry_;
  std::unique_ptr<GatewayMetrics> metrics_;
  struct ev_loop* loop_ = nullptr;
  std::unique_ptr<EdgeServer> edge_;
  std::unique_ptr<FakeLinks> links_;
  std::vector<link::ClassProfile> profiles_;
  std::thread thread_;
};

}  // namespace dormouse::edge
