#include "statekeeper/runtime/hub/event_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "statekeeper/runtime/testing/handler_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Notes what it is called for.
class NotingHub : public Hub {
 public:
  std::vector<std::string> calls;

  void OnConnect(Context&, const Connection&, const link::OpenRequest&) override {
    calls.push_back("connect");
  }
  void OnMessage(Context&, const Connection&, const Message& message) override {
    calls.push_back((message.binary ? "binary " : "text ") + std::string(message.data));
  }
  void OnClose(Context&, const Connection&, const CloseInfo& info) override {
    calls.push_back("close " + std::to_string(info.code));
  }
  void OnUndelivered(Context&, const ConnectionId&, const Message& message) override {
    calls.push_back((message.unconfirmed ? "unconfirmed " : "undelivered ") + std::string(message.data));
  }
  void OnSeen(Context&, const Connection&) override { calls.push_back("seen"); }
  void OnAlarm(Context&) override { calls.push_back("alarm"); }
};

class EventHandlerTest : public testing::Test {
 protected:
  EventHandlerTest() { parts_.Load(); }

  // What it sends.
  std::vector<Output> Handle(const HubEvent& event, bool with_hub = true) {
    HubContext context = parts_.NewContext(now_ms_);
    EventHandler handler(parts_.handler, with_hub ? &hub_ : nullptr, &context);
    parts_.host.fibers()->Run([&] { with_hub ? handler.Handle(event) : handler.FinishWithoutHub(event); });
    parts_.host.hub_store.StepAll();
    return context.TakeOutputs();
  }
  event::FromGateway Event(EventKind kind, uint64_t connection, std::string payload = "") {
    return {.gateway = 1,
            .handle = UuidLow(connection),
            .sequence = 1,
            .payload = std::move(payload),
            .kind = kind};
  }
  std::vector<std::string> Calls() { return std::exchange(hub_.calls, {}); }

  HandlerParts parts_;
  NotingHub hub_;
  int64_t now_ms_ = 1000;
};

TEST_F(EventHandlerTest, EachKindCallsItsHandler) {
  Handle(Event(EventKind::kOpen, 1));
  Handle(Event(EventKind::kText, 1, "hello"));
  Handle(Event(EventKind::kBinary, 1, "there"));
  Handle(Event(EventKind::kUndelivered, 9, "back"));
  Handle(Event(EventKind::kUnconfirmed, 9, "perhaps"));
  Handle(Event(EventKind::kPresent, 1));
  Handle(Event(EventKind::kClose, 1, ClosePayload(1000, "")));
  EXPECT_THAT(Calls(), ElementsAre("connect", "text hello", "binary there", "undelivered back",
                                   "unconfirmed perhaps", "seen", "close 1000"));
  EXPECT_EQ(parts_.state.connection_count(), 0u);
}

TEST_F(EventHandlerTest, ASocketThatTheHubDoesNotKnowIsClosed) {
  for (const EventKind kind : {EventKind::kText, EventKind::kPresent}) {
    const std::vector<Output> outputs = Handle(Event(kind, 1, "hello"));
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].kind, DeliveryKind::kClose);
  }
  Handle(Event(EventKind::kClose, 1));
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(EventHandlerTest, AVanishedGatewaysConnectionsEndInStepsUnlessItIsBack) {
  for (uint64_t i = 1; i <= 70; ++i) Handle(Event(EventKind::kOpen, i));
  Calls();
  Handle(event::GatewayGone{1});
  EXPECT_THAT(Calls(), IsEmpty()) << "it is there";
  parts_.host.gone = {1};
  ASSERT_EQ(GoneGateways(parts_.state, parts_.host).size(), 1u);
  Handle(event::GatewayGone{1});
  EXPECT_EQ(Calls().size(), 64u);
  ASSERT_EQ(parts_.queue.size(), 1u) << "it comes back for the rest";
  Handle(parts_.queue.Take());
  EXPECT_EQ(Calls().size(), 6u);
  EXPECT_TRUE(parts_.queue.empty());
  EXPECT_THAT(GoneGateways(parts_.state, parts_.host), IsEmpty());
}

TEST_F(EventHandlerTest, WithoutTheHubTheRuntimesPartIsDone) {
  for (uint64_t i = 1; i <= 3; ++i) Handle(Event(EventKind::kOpen, i));
  Calls();
  EXPECT_THAT(Handle(Event(EventKind::kClose, 1), false), IsEmpty());
  EXPECT_EQ(parts_.state.connection_count(), 2u);
  EXPECT_EQ(Handle(event::CloseAll{}, false).size(), 2u) << "closes";
  EXPECT_EQ(parts_.state.connection_count(), 0u);
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(EventHandlerTest, AnAlarmThatIsNotDueCallsNobody) {
  parts_.state.SetTimer("", now_ms_ + 1);
  Handle(event::AlarmDue{});
  EXPECT_THAT(Calls(), IsEmpty());
  now_ms_ += 1;
  Handle(event::AlarmDue{});
  EXPECT_THAT(Calls(), ElementsAre("alarm"));
  EXPECT_TRUE(parts_.alarm.is_under_way());
}

TEST_F(EventHandlerTest, TheRuntimesOwnEventsNeedNoHub) {
  EXPECT_FALSE(EventHandler::NeedsHub(event::CallRoll{1}));
  EXPECT_FALSE(EventHandler::NeedsHub(event::NoteSuspect{}));
  EXPECT_TRUE(EventHandler::NeedsHub(event::AlarmDue{}));
  EXPECT_TRUE(EventHandler::NeedsHub(Event(EventKind::kText, 1)));
}

}  // namespace
}  // namespace dormouse
