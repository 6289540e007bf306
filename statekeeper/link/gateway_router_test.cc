#include "statekeeper/link/gateway_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/auth/gateway_identity.h"
#include "common/rpc/link_channel.h"
#include "proto/packed.h"
#include "proto/refused_event.h"
#include "statekeeper/link/testing/fake_stream.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Over real streams: link_test, ownership_test, recall_test, resync_test and hung_gateway_test of
// gateway/link/.
class GatewayRouterTest : public testing::Test, protected GatewayLinks::Receiver {
 protected:
  static constexpr ShardId kShard = 3;

  ~GatewayRouterTest() override {
    router_.reset();
    ev_loop_destroy(loop_);
  }

  // The lane of shard 3, of two lanes.
  void Start(GatewayLinks::Config config = {}) {
    config.lane = 1;
    router_ = std::make_unique<GatewayRouter>(config, 2, shard_count_, loop_,
                                              static_cast<GatewayLinks::Receiver*>(this));
    router_->Own({{kShard, 1}});
  }
  static std::string Identity(char c) { return std::string(kGatewayIdentitySize, c); }
  std::shared_ptr<FakeStream> Open(char gateway) {
    auto stream = std::make_shared<FakeStream>();
    link::ToLane hello;
    hello.mutable_hello()->set_identity(Identity(gateway));
    Arrive(Arrival::kOpened, stream, hello);
    return stream;
  }
  void Say(const std::shared_ptr<FakeStream>& stream, const link::ToLane& message) {
    Arrive(Arrival::kMessage, stream, message);
  }
  void Arrive(Arrival::Kind kind, const std::shared_ptr<FakeStream>& stream,
              const link::ToLane& message = {}) {
    Arrival arrival(kind, stream);
    arrival.message = ToBuffer(message);
    router_->inbox()->HandOverNow(arrival);
    router_->Flush();
  }
  static link::ToLane Event(uint64_t sequence, const std::string& payload, ShardId shard = kShard) {
    link::ToLane message;
    AppendEvent({.shard = shard, .epoch = 1, .sequence = sequence, .hub = "echo/a", .payload = payload},
                message.mutable_events());
    return message;
  }

  void OnEvent(GatewayId gateway, const EventView& event) override {
    events_.emplace_back(event.payload);
    Output echo;
    echo.payload = event.payload;
    echo.to.push_back({{gateway, event.connection}, {}});
    router_->Release({.cause = {gateway, event.shard, event.sequence},
                      .shard = event.shard,
                      .epoch = event.epoch,
                      .outputs = {std::move(echo)}});
  }
  void OnGatewayGone(GatewayId gateway, const std::vector<std::string>&) override {
    gone_.push_back(gateway);
  }
  void OnGatewayBack(GatewayId gateway) override { back_.push_back(gateway); }
  void OnLookAt(const std::string&, bool, Answer answer) override { answer_ = std::move(answer); }

  struct ev_loop* const loop_ = ev_loop_new(0);
  const std::shared_ptr<std::atomic<uint32_t>> shard_count_ = std::make_shared<std::atomic<uint32_t>>(64);
  std::unique_ptr<GatewayRouter> router_;
  std::vector<std::string> events_;
  std::vector<GatewayId> gone_;
  std::vector<GatewayId> back_;
  Answer answer_;
};

TEST_F(GatewayRouterTest, EventsReachTheLaneAndTheirOutputTheGatewayOnce) {
  Start();
  const auto stream = Open('a');
  Say(stream, Event(1, "one"));
  Say(stream, Event(1, "one"));
  Say(stream, Event(2, "two"));
  EXPECT_THAT(events_, ElementsAre("one", "two"));
  EXPECT_THAT(stream->Payloads(), ElementsAre("one", "two"));
}

TEST_F(GatewayRouterTest, AnEventThatCannotBeReadEndsItsOwnStreamAndSaysWhereItIs) {
  Start();
  const auto stream = Open('a');
  const auto other = Open('b');
  link::ToLane message = Event(1, "one");
  const auto begin = static_cast<uint32_t>(message.events().size());
  message.mutable_events()->append(Event(2, "of another lane", 2).events());
  Say(stream, message);
  EXPECT_EQ(stream->ended, grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReadRefusedEventDetails(stream->details), begin);
  Say(other, Event(1, "fine"));
  EXPECT_THAT(events_, ElementsAre("one", "fine"));
}

TEST_F(GatewayRouterTest, AGatewayThatStaysAwayIsGivenUpAndWhenItComesBackTheLaneHearsSo) {
  Start({.gateway_grace = Duration(1)});
  Arrive(Arrival::kClosed, Open('a'));
  while (gone_.empty()) ev_run(loop_, EVRUN_ONCE);
  EXPECT_THAT(gone_, ElementsAre(GatewayIdOf(Identity('a'))));
  EXPECT_FALSE(router_->IsPresent(gone_[0]));
  EXPECT_THAT(back_, IsEmpty());
  Open('a');
  EXPECT_EQ(back_, gone_);
}

// It comes back before hubs have heard that it was gone, so they go on sending to its sockets.
TEST_F(GatewayRouterTest, WhatAGatewayDidNotGetBeforeItWasGivenUpAndSinceClosesItsSockets) {
  Start({.gateway_grace = Duration(1)});
  const GatewayId gateway = GatewayIdOf(Identity('a'));
  const auto send = [&](uint64_t connection, const std::string& payload) {
    Output output;
    output.payload = payload;
    output.return_to = "echo/a";
    output.to.push_back({{gateway, connection}, {}});
    router_->Release({.cause = {}, .shard = kShard, .epoch = 1, .outputs = {std::move(output)}});
    router_->Flush();
  };
  const auto stream = Open('a');
  send(7, "not acknowledged");
  Arrive(Arrival::kClosed, stream);
  while (gone_.empty()) ev_run(loop_, EVRUN_ONCE);
  send(8, "while it was gone");
  const auto again = Open('a');
  send(9, "since");
  using Said = std::pair<DeliveryKind, uint64_t>;
  std::vector<Said> said;
  for (const link::ToGateway& message : again->written) {
    std::string_view deliveries = message.deliveries();
    DeliveryView delivery;
    while (ReadDelivery(&deliveries, &delivery)) {
      for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
        said.emplace_back(delivery.kind, delivery.recipient(i));
      }
    }
  }
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[2], Said(DeliveryKind::kText, 9));
  said.pop_back();
  EXPECT_THAT(said, testing::UnorderedElementsAre(Said(DeliveryKind::kOutputLost, 7),
                                                  Said(DeliveryKind::kOutputLost, 8)));
  std::vector<std::string> recalled;
  for (const uint64_t connection : {7, 8}) {
    router_->Recall({gateway, connection}, kShard, 1, [&](std::vector<std::string> frames) {
      recalled.insert(recalled.end(), frames.begin(), frames.end());
    });
    router_->Flush();
    link::ToLane acknowledgement;
    acknowledgement.set_received_through(connection == 7 ? 3 : 4);
    Say(again, acknowledgement);
  }
  EXPECT_THAT(recalled, ElementsAre("not acknowledged", "while it was gone"));
}

TEST_F(GatewayRouterTest, AGatewayThatIsTooSlowIsGivenUpAtOnce) {
  Start({.gateway_buffer = 1'000});
  const auto stream = Open('a');
  Say(stream, Event(1, std::string(10'000, 'x')));
  EXPECT_THAT(gone_, ElementsAre(GatewayIdOf(Identity('a'))));
  EXPECT_NE(stream->ended, grpc::StatusCode::OK);
}

TEST_F(GatewayRouterTest, AnAnswerThatComesLateIsDropped) {
  Start();
  const auto stream = Open('a');
  link::ToLane question;
  question.add_look_at()->set_number(5);
  Say(stream, question);
  answer_({});
  router_->Flush();
  EXPECT_EQ(stream->written.back().looks(0).number(), 5u);
  Say(stream, question);
  Arrive(Arrival::kClosed, stream);
  answer_({});
  router_.reset();
  answer_({});
}

}  // namespace
}  // namespace dormouse
