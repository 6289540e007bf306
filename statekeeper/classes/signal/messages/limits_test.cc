// What one message may ask for and make the hub do, and what a session that costs too much is told.
#include <gmock/gmock.h>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::HasSubstr;

// "[0,1,...]" or "{"0":0,"1":1,...}", as strings.
std::string Array(int size) {
  std::string text = "[";
  for (int i = 0; i < size; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\"";
  return text + "]";
}
std::string Object(int size) {
  std::string text = "{";
  for (int i = 0; i < size; ++i)
    text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i);
  return text + "}";
}

class LimitsTest : public testing::Test, protected HubStage {
 protected:
  static Options SomeOptions() {
    Options options;
    options.max_output = 200'000;
    options.max_changes = 600'000;
    options.max_absent = 3;
    return options;
  }
  LimitsTest() : HubStage(SomeOptions()) { hub().HoldRecalls(); }

  Frame Discover(const std::string& payload) { return Ask(client_, "hub:discover", "c/1", payload); }
  static std::string Data(size_t size, const std::string& more = "") {
    return R"({"type":"bulk","data":")" + std::string(size, 'd') + "\"" + more + "}";
  }
  Frame Broadcast(size_t size) {
    return Ask(client_, "hub:broadcast", "c/1", Data(size, R"(,"excludeSelf":true)"));
  }
  std::string Registered() {
    const Frame frame = Discover("{}");
    std::string all;
    const std::string text = frame["payload.actors"];
    const auto actors = JsonElements(text);
    for (const JsonSlice actor : *actors) all += JsonString(JsonObject(actor).Find("address")).value() + " ";
    return all;
  }

  const ConnectionId client_ = Actor("c/1");
};

TEST_F(LimitsTest, ADiscoveryAsksForAHundredThingsAtMost) {
  Ask(client_, "hub:register", "c/1", R"({"actorAddress":"all","capabilities":)" + Array(2000) + "}");
  Ask(client_, "hub:register", "c/1", R"({"actorAddress":"told","metadata":)" + Object(1000) + "}");
  EXPECT_EQ(Discover("{\"capabilities\":" + Array(100) + "}")["payload.totalMatches"], "1");
  EXPECT_EQ(Discover("{\"metadata\":" + Object(100) + "}")["payload.totalMatches"], "1");
  for (const std::string& payload :
       {"{\"capabilities\":" + Array(101) + "}", "{\"capability\":\"0\",\"capabilities\":" + Array(100) + "}",
        "{\"metadata\":" + Object(101) + "}"}) {
    const Frame frame = Discover(payload);
    EXPECT_EQ(frame.type(), "hub:error");
    EXPECT_THAT(frame.String("payload.message"), HasSubstr("more than 100"));
    EXPECT_THAT(frame.String("payload.resolution"), HasSubstr("tells the actors apart"));
  }
}

TEST_F(LimitsTest, WhatADiscoveryAsksForIsFoundAsItWasWritten) {
  Ask(client_, "hub:register", "c/1",
      R"({"actorAddress":"x","capabilities":["a","b","a"],"metadata":{"k":1,"k":"t","\u0065\n":1.0,"o":{"p":[1]}}})");
  for (const char* found :
       {R"({"capabilities":["b","a"]})", R"({"capabilities":["a","a"]})", R"({"capability":"b"})",
        R"({"metadata":{"k":"t"}})", R"({"metadata":{"k":"\u0074"}})", R"({"metadata":{"k":2,"k":"t"}})",
        R"({"metadata":{"e\n":1}})", R"({"metadata":{"e\u000a":10e-1,"k":"t"}})",
        R"({"metadata":{"o":{"p":[1]}}})"}) {
    EXPECT_EQ(Discover(found)["payload.totalMatches"], "1") << found;
  }
  for (const char* missed :
       {R"({"capabilities":["b","c"]})", R"({"metadata":{"k":1}})", R"({"metadata":{"K":"t"}})",
        R"({"metadata":{"k":"t","l":null}})", R"({"metadata":{"e\n":"1"}})"}) {
    EXPECT_EQ(Discover(missed)["payload.totalMatches"], "0") << missed;
  }
}

TEST_F(LimitsTest, ADiscoveryTakesABoundedTime) {
  for (int i = 0; i < 500; ++i) {
    Ask(client_, "hub:register", "c/1", R"({"actorAddress":"a/)" + std::to_string(i) + "\"}");
  }
  hub().SetTimePerRow(std::chrono::milliseconds(1));
  EXPECT_EQ(Discover(R"({"capability":"none"})").code(), "timeout");
  EXPECT_LE(hub().rows_read(), 110u);
  EXPECT_EQ(Discover(R"({"pattern":"a/49*"})")["payload.totalMatches"], "11");
}

TEST_F(LimitsTest, AMessageToTooManyForItsSizeReachesNobody) {
  std::vector<ConnectionId> others;
  for (int i = 0; i < 4; ++i) others.push_back(Actor("o/" + std::to_string(i)));
  for (const ConnectionId& other : others) Ask(other, "hub:subscribe", "o/0", R"({"topic":"t"})");
  EXPECT_EQ(Broadcast(40'000)["payload.deliveredCount"], "4");
  EXPECT_EQ(Ask(client_, "hub:publish", "c/1", Data(40'000, R"(,"topic":"t")"))["payload.subscriberCount"],
            "4");
  for (const ConnectionId& other : others) EXPECT_EQ(Frames(other).size(), 2u);
  for (const Frame& frame :
       {Broadcast(60'000), Ask(client_, "hub:publish", "c/1", Data(60'000, R"(,"topic":"t")"))}) {
    EXPECT_EQ(frame.code(), "BROADCAST_LIMIT_EXCEEDED");
    EXPECT_EQ(frame.String("payload.details.code"), "OUTPUT_LIMIT");
    EXPECT_EQ(frame["payload.details.recipients"], "4");
    EXPECT_EQ(frame["payload.details.limit"], "200000");
    EXPECT_GT(frame.Number("payload.details.size"), 240'000);
    EXPECT_THAT(frame.String("payload.resolution"), HasSubstr("fewer recipients"));
  }
  for (const ConnectionId& other : others) EXPECT_TRUE(Frames(other).empty());
}

TEST_F(LimitsTest, WhatWouldBeTooMuchToKeepIsCountedAsMissed) {
  for (int i = 0; i < 3; ++i) hub().ConnectionBreaks(Actor("away/" + std::to_string(i)));
  const ConnectionId here = Actor("here/1");
  const Frame reply = Broadcast(140'000);  // 300,000 may be kept of one message
  EXPECT_EQ(reply["payload.failedCount"], "1") << reply;
  EXPECT_EQ(reply["payload.deliveredCount"], "1");
  EXPECT_EQ(reply["payload.queuedCount"], "2");
  EXPECT_EQ(Frames(here).size(), 1u);
  EXPECT_LT(hub().rows_written(), 12u);
  EXPECT_EQ(Broadcast(10)["payload.failedCount"], "1") << "who missed one misses those after it";
}

TEST_F(LimitsTest, MailLeavesHalfOfTheRoomToOthers) {
  hub().ConnectionBreaks(Actor("away/1"));
  hub().SetMaxState(200'000);
  EXPECT_EQ(Broadcast(80'000)["payload.failedCount"], "0");
  const Frame reply = Broadcast(80'000);
  EXPECT_EQ(reply["payload.failedCount"], "1") << "it is no STATE_FULL: " << reply;
}

TEST_F(LimitsTest, OfTooManySessionsWithoutASocketTheOldestEnd) {
  for (int i = 0; i < 3; ++i) {
    hub().ConnectionBreaks(Actor("away/" + std::to_string(i)));
    hub().Advance(10);
  }
  EXPECT_EQ(Registered(), "away/0 away/1 away/2 c/1 ");
  hub().ConnectionBreaks(Actor("away/3"));
  EXPECT_EQ(Registered(), "away/1 away/2 away/3 c/1 ");
  hub().Sleep();
  hub().Advance(10);
  hub().ConnectionBreaks(Actor("away/4"));
  EXPECT_EQ(Registered(), "away/2 away/3 away/4 c/1 ");
  EXPECT_EQ(hub().KeysWithPrefix("d/").size(), 3u);
}

TEST_F(LimitsTest, WhatTheHubRepeatsToOthersIsShort) {
  const std::string four_kib(4094, 'i');
  hub().ClientSends(client_, R"({"type":"hub:queue_stats","from":"c/1","id":")" + four_kib + "\"}");
  EXPECT_EQ(One(client_).String("correlationId"), four_kib);
  for (const char* field : {"id", "from", "to", "type"}) {
    const std::string fields = R"({"type":"hub:queue_stats","from":"c/1",")";
    hub().ClientSends(client_, fields + field + "\":\"" + four_kib + "i\"}");
    const Frame frame = One(client_);
    EXPECT_EQ(frame.type(), "hub:error") << field;
    EXPECT_THAT(frame.String("payload.message"), HasSubstr("4096")) << field;
    EXPECT_LT(frame.text.size(), 1000u) << field;
  }
}

TEST_F(LimitsTest, EachLimitOfTheRuntimeHasItsAnswer) {
  const auto answer = [&](Hub::Failure why) {
    hub().FailNextCommit(why);
    return Ask(client_, "hub:queue_stats", "c/1", "{}");
  };
  EXPECT_EQ(answer(Hub::Failure::kOverBudget).code(), "timeout");
  const Frame output = answer(Hub::Failure::kTooMuchOutput);
  EXPECT_EQ(output.code(), "message_too_large");
  EXPECT_EQ(output.String("payload.details.code"), "OUTPUT_LIMIT");
  EXPECT_EQ(output["payload.details.limit"], "200000");
  EXPECT_EQ(answer(Hub::Failure::kTooManyChanges).String("payload.details.code"), "CHANGE_LIMIT");
  hub().SetRetryAfter(1200);
  const Frame cost = answer(Hub::Failure::kOverAllowance);
  EXPECT_EQ(cost.code(), "rate_limited");
  EXPECT_EQ(cost.String("payload.details.code"), "CPU_LIMIT");
  EXPECT_EQ(cost["payload.details.retryAfter"], "2");
  EXPECT_EQ(cost["payload.details.limit"], "50");
}

}  // namespace
}  // namespace dormouse::signal
