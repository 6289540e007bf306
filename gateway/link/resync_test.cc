// Both ends of the edge link when they disagree about what was sent: they start afresh, and go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/shard.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/rude_gateway.h"
#include "gateway/link/testing/scripted_statekeeper.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr uint32_t kShards = 64;

class ResyncTest : public testing::Test {
 protected:
  TestStatekeeper::Setup Standard() {
    return {.addresses = {"unix:" + path_}, .unix_path = path_, .shards = kShards};
  }
  StatekeeperLinks::Config Gateway(uint64_t number = 1) {
    return {.identity = TestIdentity(number), .statekeepers = {"unix:" + path_}};
  }
  static std::vector<std::string> Payloads(TestGateway* gateway) {
    std::vector<std::string> payloads;
    for (const Delivered& delivered : gateway->delivered()) payloads.push_back(delivered.payload);
    return payloads;
  }

  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
};

// --- The gateway's end, against a lane that breaks the rules.

// Numbers its batches as it is told. Each carries an alarm's delivery with its number as the text.
class Misnumbering {
 public:
  using Stream = ScriptedStatekeeper::Stream;

  explicit Misnumbering(const std::string& path) : statekeeper_(path, Map(path), ScriptFor(this)) {}

  // What the n-th stream is sent, and all after the last as that one.
  struct Life {
    bool resumed;
    uint64_t after;
    std::vector<uint64_t> batches;
  };
  std::vector<Life> lives;  // set before a gateway comes

  std::vector<link::ToLane::Hello> AwaitGreetings(size_t count) {
    EXPECT_TRUE(facts_.Await([&] { return greetings_.size() >= count; }));
    return greetings();
  }
  std::vector<link::ToLane::Hello> greetings() {
    return facts_.Get<std::vector<link::ToLane::Hello>>([&] { return greetings_; });
  }

 private:
  static link::ShardMap Map(const std::string& path) {
    link::ShardMap map;
    map.set_version(1);
    map.set_shard_count(kShards);
    link::Member* member = map.add_members();
    member->set_incarnation(1);
    member->set_lanes(1);
    member->set_unix_path(path);
    for (uint32_t i = 0; i < kShards; ++i) {
      map.add_owner(0);
      map.add_epoch(1);
    }
    return map;
  }
  static ScriptedStatekeeper::Script ScriptFor(Misnumbering* self) {
    return [self](grpc::ServerContext*, Stream* stream, const link::ToLane& greeting) {
      size_t number = 0;
      self->facts_.Change([&] {
        number = self->greetings_.size();
        self->greetings_.push_back(greeting.hello());
      });
      const Life& life = self->lives[std::min(number, self->lives.size() - 1)];
      link::ToGateway hello;
      hello.mutable_hello()->set_incarnation(1);
      hello.mutable_hello()->set_resumed(life.resumed);
      hello.mutable_hello()->set_after(life.after);
      stream->Write(hello);
      for (const uint64_t batch : life.batches) {
        link::ToGateway message;
        message.set_batch(batch);
        const Recipient recipient{UuidLow(1), {}};
        const std::string payload = std::to_string(batch);
        AppendDelivery({.epoch = 1, .cause = {}, .recipients = {&recipient, 1}, .payload = payload},
                       message.mutable_deliveries());
        stream->Write(message);
      }
      link::ToLane message;
      while (stream->Read(&message)) {
      }
    };
  }

  Facts facts_;
  std::vector<link::ToLane::Hello> greetings_;
  ScriptedStatekeeper statekeeper_;
};

TEST_F(ResyncTest, AGapIsAskedForAgainAndThenTheStreamStartsAfresh) {
  Misnumbering lane(path_);
  lane.lives = {{false, 0, {1, 3}}, {true, 1, {3}}, {false, 2, {3, 4}}};
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitDeliveries(3));
  EXPECT_THAT(Payloads(&gateway), ElementsAre("1", "3", "4"));
  const auto greetings = lane.greetings();
  ASSERT_THAT(greetings, SizeIs(3));
  EXPECT_EQ(greetings[1].received_through(), 1u);
  EXPECT_FALSE(greetings[1].afresh());
  EXPECT_EQ(greetings[2].received_through(), 1u);
  EXPECT_TRUE(greetings[2].afresh());
}

TEST_F(ResyncTest, EveryOtherDisagreementEndsSoToo) {
  const std::vector<std::vector<Misnumbering::Life>> kinds = {
      {{false, 0, {1, 1}}, {true, 1, {1}}, {false, 1, {2}}},                     // a number twice
      {{false, 0, {1, 2, 4}}, {true, 0, {1}}, {true, 2, {7}}, {false, 6, {7}}},  // it goes on elsewhere
      {{false, 0, {1, 9}}, {true, 5, {6}}, {false, 5, {6}}},   // what came between is not there any more
      {{false, 0, {0}}, {false, 0, {0}}, {false, 0, {1, 2}}},  // no number
      {{false, 7, {8, 10}}, {true, 8, {10}}, {true, 8, {9}}, {false, 9, {10}}},  // does not do as it is asked
  };
  for (const auto& lives : kinds) {
    SCOPED_TRACE(testing::PrintToString(lives.front().batches));
    Misnumbering lane(path_);
    lane.lives = lives;
    lane.lives.back().batches.push_back(lives.back().batches.back() + 1);
    TestGateway gateway(Gateway());
    const std::string last = std::to_string(lane.lives.back().batches.back());
    ASSERT_TRUE(gateway.facts.Await([&] { return gateway.last_payload() == last; }));
    std::map<std::string, int> seen;
    for (const std::string& payload : Payloads(&gateway)) EXPECT_EQ(++seen[payload], 1) << payload;
  }
}

TEST_F(ResyncTest, EndsThatNeverAgreeTrySeldom) {
  Misnumbering lane(path_);
  lane.lives = {{true, 5, {}}};
  TestGateway gateway(Gateway());
  lane.AwaitGreetings(3);
  const int64_t begin = SteadyMs();
  lane.AwaitGreetings(4);
  EXPECT_GE(SteadyMs() - begin, 700);
  EXPECT_THAT(lane.greetings(), SizeIs(4));
}

// --- The lane's end, against a gateway that breaks the rules.

class ResyncOfALaneTest : public ResyncTest {
 protected:
  void SetUp() override {
    statekeeper_ = std::make_unique<TestStatekeeper>(Standard());
    ASSERT_TRUE(statekeeper_->Start());
  }
  void Send(const std::string& text) {
    statekeeper_->thread().Run([&] {
      statekeeper_->links().Release(
          {.cause = {},
           .shard = 3,
           .epoch = 1,
           .outputs = {TestStatekeeper::To({{RudeGateway::Id(), UuidLow(1)}}, text)}});
    });
  }
  // A stream of a gateway that has received so much.
  std::unique_ptr<RudeGateway> Link(uint64_t received_through, bool afresh = false) {
    auto gateway = std::make_unique<RudeGateway>("unix:" + path_);
    link::ToLane hello = RudeGateway::Hello(1, 0);
    hello.mutable_hello()->set_received_through(received_through);
    hello.mutable_hello()->set_afresh(afresh);
    gateway->Open(hello);
    return gateway;
  }
  static void Acknowledge(RudeGateway* gateway, uint64_t through) {
    link::ToLane message;
    message.set_received_through(through);
    gateway->Write(ToBuffer(message));
  }
  std::vector<GatewayId> Back() {
    return statekeeper_->facts.Get<std::vector<GatewayId>>([&] { return statekeeper_->back; });
  }

  std::unique_ptr<TestStatekeeper> statekeeper_;
};

TEST_F(ResyncOfALaneTest, WhatIsAcknowledgedOnAnothersBehalfIsNotWaitedFor) {
  auto first = Link(0);
  ASSERT_TRUE(first->AwaitGreeting());
  Send("one");
  ASSERT_TRUE(first->AwaitMessages(2));
  Acknowledge(first.get(), 1);
  Send("two");
  ASSERT_TRUE(first->AwaitMessages(3));
  auto second = Link(0);  // it has not got the first batch
  ASSERT_TRUE(second->AwaitMessages(2));
  const std::vector<link::ToGateway> received = second->received();
  EXPECT_FALSE(received[0].hello().resumed());
  EXPECT_EQ(received[0].hello().after(), 1u);
  EXPECT_EQ(received[1].batch(), 2u);
  EXPECT_THAT(received[1].deliveries(), testing::HasSubstr("two"));
  EXPECT_THAT(Back(), ElementsAre(RudeGateway::Id()));
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

TEST_F(ResyncOfALaneTest, AGatewayThatIsAheadOfItGetsWhatIsThere) {
  auto first = Link(0);
  ASSERT_TRUE(first->AwaitGreeting());
  Send("one");
  ASSERT_TRUE(first->AwaitMessages(2));
  auto second = Link(77);
  ASSERT_TRUE(second->AwaitMessages(2));
  EXPECT_FALSE(second->received()[0].hello().resumed());
  EXPECT_EQ(second->received()[0].hello().after(), 0u);
  EXPECT_EQ(second->received()[1].batch(), 1u);
}

TEST_F(ResyncOfALaneTest, EventsComeAgainAfterAFreshStartAndNotWithout) {
  link::ToLane events;
  AppendEvent({.shard = 3, .epoch = 1, .sequence = 1, .hub = "echo/a", .payload = "x", .repeated = true},
              events.mutable_events());
  auto first = Link(0);
  ASSERT_TRUE(first->AwaitGreeting());
  first->Write(ToBuffer(events));
  ASSERT_TRUE(first->AwaitMessages(2));
  auto second = Link(1);
  ASSERT_TRUE(second->AwaitGreeting());
  EXPECT_TRUE(second->received()[0].hello().resumed());
  second->Write(ToBuffer(events));
  auto third = Link(1, true);
  ASSERT_TRUE(third->AwaitGreeting());
  EXPECT_FALSE(third->received()[0].hello().resumed());
  third->Write(ToBuffer(events));
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return statekeeper_->taken.size() == 2; }));
  ASSERT_TRUE(third->AwaitMessages(2));
  EXPECT_EQ(third->received()[1].batch(), 2u);
  EXPECT_THAT(statekeeper_->GetTaken(), SizeIs(2));
}

TEST_F(ResyncOfALaneTest, FreshStartsAreRare) {
  auto first = Link(0);
  ASSERT_TRUE(first->AwaitGreeting());
  auto second = Link(0, true);
  ASSERT_TRUE(second->AwaitGreeting());
  EXPECT_EQ(Link(0, true)->AwaitEnd(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Link(9)->AwaitEnd(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(Back(), SizeIs(1));
  // The stream that was good stays so.
  Send("one");
  EXPECT_TRUE(second->AwaitMessages(2));
}

// --- Both.

TEST_F(ResyncTest, ALossOnTheWayIsHealedAndEachEventDeliveredOnce) {
  const std::string front = directory_ / "meddler.sock";
  TestStatekeeper::Setup setup = Standard();
  setup.unix_path = front;
  const GatewayId near_id = TestGatewayId(1);
  const GatewayId far_id = TestGatewayId(2);
  setup.on_event = [=](TestStatekeeper* self, const Taken& event) {
    self->Release(event, {TestStatekeeper::To({{near_id, UuidLow(1)}, {far_id, UuidLow(1)}}, event.payload)});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  // A third batch gets lost three times, of one of the gateways so twice at least; a ninth comes twice, once.
  std::atomic<int> losses = 0;
  std::atomic<int> doubles = 0;
  ScriptedStatekeeper meddler(front, {},
                              ScriptedStatekeeper::Meddle("unix:" + path_, [&](const auto& message) {
                                if (message.batch() == 3 && losses++ < 3) return 0;
                                if (message.batch() == 9 && doubles++ == 0) return 2;
                                return 1;
                              }));
  TestGateway near(Gateway(1));
  TestGateway far(Gateway(2));
  ASSERT_TRUE(near.AwaitReady());
  ASSERT_TRUE(far.AwaitReady());

  constexpr size_t kEvents = 300;
  std::map<std::string, int> sent;
  for (size_t i = 0; i < kEvents; ++i) {
    const std::string hub = "echo/" + std::to_string(i % 7);
    near.Append(hub, hub + " " + std::to_string(sent[hub]++));
    if (i % 20 == 0) {  // many batches; not those that came, for what is lost is noticed by what follows it
      ASSERT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() > i; }));
    }
  }
  for (TestGateway* gateway : {&near, &far}) {
    ASSERT_TRUE(gateway->AwaitDeliveries(kEvents));
    std::map<std::string, int> next;
    for (const std::string& payload : Payloads(gateway)) {
      const std::string hub = payload.substr(0, payload.find(' '));
      EXPECT_EQ(payload, hub + " " + std::to_string(next[hub]++));
    }
    EXPECT_EQ(next, sent);
  }
  EXPECT_TRUE(near.AwaitSettled());
  EXPECT_GE(losses, 4);
  EXPECT_THAT(statekeeper.GetGone(), IsEmpty());
  EXPECT_THAT(statekeeper.facts.Get<std::vector<GatewayId>>([&] { return statekeeper.back; }),
              Not(IsEmpty()));
}

TEST_F(ResyncTest, WhatABatchCannotMeanIsPassedOverAndAllElseArrives) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.Append("echo/a", "before");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  ASSERT_TRUE(gateway.AwaitSettled());
  // Answers to an event that the gateway never sent, the end of such a one, and what is sound in the same
  // batch.
  statekeeper.thread().Run([&] {
    const auto release = [&](uint64_t sequence, std::vector<Output> outputs) {
      statekeeper.links().Release({.cause = {sequence == 0 ? 0 : gateway.id, 3, sequence},
                                   .shard = 3,
                                   .epoch = 1,
                                   .outputs = std::move(outputs)});
    };
    release(77, {TestStatekeeper::To({gateway.Connection(1)}, "?")});
    release(78, {});
    release(0, {TestStatekeeper::To({gateway.Connection(1)}, "alarm")});
  });
  for (int i = 0; i < 3; ++i) gateway.Append("echo/" + std::to_string(i), "after");
  ASSERT_TRUE(gateway.AwaitDeliveries(5));
  ASSERT_TRUE(gateway.AwaitSettled());
  EXPECT_THAT(Payloads(&gateway),
              testing::UnorderedElementsAre("before", "alarm", "after", "after", "after"));
  EXPECT_TRUE(
      statekeeper.facts.Await([&] { return statekeeper.back == std::vector<GatewayId>{gateway.id}; }));
}

}  // namespace
}  // namespace dormouse
