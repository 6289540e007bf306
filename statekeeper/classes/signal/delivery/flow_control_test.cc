// Pause and resume, as producers see them.
#include "statekeeper/classes/signal/delivery/flow_control.h"

#include <gmock/gmock.h>

#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Backlog kBacklog{1200, 70'000};

class FlowControlTest : public testing::Test, protected HubStage {
 protected:
  std::vector<std::string> SendTo(const ConnectionId& producer, const std::string& from,
                                  const std::string& to) {
    return Types(AskAll(producer, "hub:send", from, R"({"to":")" + to + R"(","type":"x","data":1})"));
  }
  void Pause(const ConnectionId& target) { hub().ClientFallsBehind(target, true, kBacklog); }
  void Resume(const ConnectionId& target) { hub().ClientFallsBehind(target, false, {500, 0}); }
  std::vector<std::string> TypesAt(const ConnectionId& client) { return Types(Frames(client)); }

  const ConnectionId slow_ = Actor("t/slow");
  const ConnectionId lame_ = Actor("t/lame");
  const ConnectionId producer_ = Actor("p/1");
};

TEST_F(FlowControlTest, AProducerIsPausedOnceAndResumedOnce) {
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:delivery_ack"));
  Pause(slow_);
  EXPECT_THAT(TypesAt(producer_), IsEmpty()) << "it may have nothing more to send";
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:pause", "hub:delivery_ack"));
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:delivery_ack"));
  EXPECT_THAT(TypesAt(slow_), SizeIs(3)) << "a pause is advice";
  hub().ClientFallsBehind(slow_, true, {2400, 140'000});
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:delivery_ack"));
  Resume(slow_);
  EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume"));
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:delivery_ack"));
  Pause(slow_);
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:pause", "hub:delivery_ack"));
}

TEST_F(FlowControlTest, APauseNamesItsTargetInTheProducersForm) {
  Pause(slow_);
  const auto frames = AskAll(producer_, "hub:send", "@(p/1)", R"({"to":"t/slow","type":"x"})");
  EXPECT_THAT(frames[0].String("payload.reason"), HasSubstr("@(t/slow) does not read"));
  EXPECT_EQ(frames[0]["payload.targets"], R"j(["@(t/slow)"])j");
  EXPECT_EQ(frames[0].String("from"), "@(cloudflare/signal-hub)");
  EXPECT_EQ(frames[0].String("to"), "@(p/1)");
  Resume(slow_);
  const Frame resume = Frames(producer_).at(0);
  EXPECT_EQ(resume["payload"], "{}");
  EXPECT_EQ(resume.String("to"), "@(p/1)");
  EXPECT_EQ(resume.String("from"), "@(cloudflare/signal-hub)");
}

TEST_F(FlowControlTest, EveryKindOfMessageCounts) {
  for (const char* topic : {"a", "b"}) {
    AskAll(slow_, "hub:subscribe", "t/slow", R"({"topic":")" + std::string(topic) + "\"}");
  }
  for (const std::string& frame :
       {Envelope("hub:send", "p/1", R"({"to":"t/slow","type":"x"})"), Envelope("x", "p/1", "{}", "t/slow"),
        Envelope("hub:broadcast", "p/1", R"({"type":"x","excludeSelf":true})"),
        Envelope("hub:publish", "p/1", R"({"topic":"a","type":"x"})")}) {
    Pause(slow_);
    hub().ClientSends(producer_, frame);
    EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:pause", testing::_)) << frame;
    Resume(slow_);
    EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume")) << frame;
  }
}

TEST_F(FlowControlTest, OnlyThoseAreResumedThatWerePaused) {
  const ConnectionId other = Actor("p/2");
  Pause(slow_);
  SendTo(producer_, "p/1", "t/slow");
  SendTo(other, "p/2", "t/lame");
  Resume(slow_);
  EXPECT_THAT(TypesAt(other), IsEmpty());
}

TEST_F(FlowControlTest, ResumedWhenTheLastTargetCaughtUp) {
  Pause(slow_);
  Pause(lame_);
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:pause", "hub:delivery_ack"));
  EXPECT_THAT(SendTo(producer_, "p/1", "t/lame"), ElementsAre("hub:pause", "hub:delivery_ack"));
  Resume(slow_);
  EXPECT_THAT(TypesAt(producer_), IsEmpty());
  Resume(lame_);
  EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume"));
}

TEST_F(FlowControlTest, ABroadcastIsOnePauseForAllItsTargets) {
  Pause(slow_);
  Pause(lame_);
  const auto frames = AskAll(producer_, "hub:broadcast", "p/1", R"({"type":"x","excludeSelf":true})");
  ASSERT_THAT(Types(frames), ElementsAre("hub:pause", "hub:delivery_ack"));
  EXPECT_EQ(frames[0]["payload.targets"], R"(["t/lame","t/slow"])");
}

TEST_F(FlowControlTest, TheTargetsEndResumes) {
  for (const char* how : {"breaks", "leaves", "is replaced"}) {
    const ConnectionId target = Actor("t/gone");
    Pause(target);
    EXPECT_THAT(SendTo(producer_, "p/1", "t/gone"), ElementsAre("hub:pause", "hub:delivery_ack"));
    if (how == std::string("breaks")) hub().ConnectionBreaks(target, 1013);
    if (how == std::string("leaves")) AskAll(target, "hub:disconnect", "t/gone", "{}");
    if (how == std::string("is replaced")) Actor("t/gone");
    EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume")) << how;
    EXPECT_THAT(hub().KeysWithPrefix("q/"), IsEmpty()) << how;
  }
}

TEST_F(FlowControlTest, AProducersEndLeavesNothing) {
  Pause(slow_);
  SendTo(producer_, "p/1", "t/slow");
  const std::string told = hub().rows().at("q/" + slow_.ToString());
  hub().ClientCloses(producer_);
  EXPECT_LT(hub().rows().at("q/" + slow_.ToString()).size(), told.size());
  Resume(slow_);
  EXPECT_THAT(hub().KeysWithPrefix("q/"), IsEmpty());
}

TEST_F(FlowControlTest, SurvivesSleepAndCrash) {
  Pause(slow_);
  hub().Sleep();
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:pause", "hub:delivery_ack"));
  hub().Sleep();
  EXPECT_THAT(SendTo(producer_, "p/1", "t/slow"), ElementsAre("hub:delivery_ack"));
  hub().FailNextCommit();
  Resume(slow_);
  EXPECT_THAT(TypesAt(producer_), IsEmpty());
  Resume(slow_);
  EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume"));
}

TEST_F(FlowControlTest, AnEventThatComesAgainIsAnsweredAgain) {
  Pause(slow_);
  const std::string frame = Envelope("hub:send", "p/1", R"({"to":"t/slow","type":"x"})");
  hub().ClientSends(producer_, frame);
  Frames(producer_);
  hub().Sleep();
  hub().ClientSends(producer_, Message{.data = frame, .received_ms = hub().now_ms(), .repeated = true});
  EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:pause", "hub:delivery_ack"));
  hub().Advance(1);
  hub().ClientSends(producer_, Message{.data = frame, .received_ms = hub().now_ms(), .repeated = true});
  EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:delivery_ack")) << "another message";
  for (int i = 0; i < 2; ++i) {
    Resume(slow_);
    EXPECT_THAT(TypesAt(producer_), ElementsAre("hub:resume"));
    hub().Sleep();
  }
}

TEST_F(FlowControlTest, WithoutCongestionAMessageWritesNothingAndReadsNoMore) {
  SendTo(producer_, "p/1", "t/slow");
  SendTo(producer_, "p/1", "t/slow");
  EXPECT_EQ(hub().rows_written(), 0u);
  EXPECT_EQ(hub().rows_read(), 1u) << "the registration";
}

TEST_F(FlowControlTest, WhoIsToldIsBounded) {
  Pause(slow_);
  for (int i = 0; i < FlowControl::kProducersPerTarget + 10; ++i) {
    const std::string address = "many/" + std::to_string(i);
    SendTo(Actor(address), address, "t/slow");
  }
  Congestion congestion;
  congestion.ParseFromString(hub().rows().at("q/" + slow_.ToString()));
  EXPECT_EQ(congestion.told_size(), FlowControl::kProducersPerTarget);

  for (size_t i = 0; i < FlowControl::kTargetsPerProducer + 10; ++i) Pause(Actor("z/" + std::to_string(i)));
  Resume(slow_);
  const auto frames = AskAll(producer_, "hub:broadcast", "p/1", R"({"type":"x","excludeSelf":true})");
  ASSERT_THAT(Types(frames), ElementsAre("hub:pause", "hub:delivery_ack"));
  EXPECT_THAT(frames[0].String("payload.reason"), HasSubstr("and 13 more do not read"));
  EXPECT_EQ(JsonElements(frames[0]["payload.targets"])->size(), FlowControl::kTargetsPerProducer);
}

}  // namespace
}  // namespace dormouse::signal
