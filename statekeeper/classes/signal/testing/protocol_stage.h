// Tests of the protocol as clients see it: each runs in both dialects and both forms of address.
// INSTANTIATE_TEST_SUITE_P with kStyles and NameOfStyle.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/testing/frame.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {

struct Style {
  bool legacy = false;     // dialect 0.1
  bool canonical = false;  // @(...)
};

class ProtocolStage : public testing::TestWithParam<Style> {
 protected:
  explicit ProtocolStage(Options options = {}) : options_(std::move(options)) {}

  bool legacy() const { return GetParam().legacy; }
  // An address as this run writes them, and the same as JSON.
  std::string A(const std::string& bare) const { return GetParam().canonical ? "@(" + bare + ")" : bare; }
  std::string Q(const std::string& bare) const { return JsonQuoted(A(bare)); }

  // All frames that a client has got, each checked to be a whole envelope.
  std::vector<Frame> Frames(const ConnectionId& client) {
    std::vector<Frame> frames;
    for (std::string& text : hub_.TakeFrames(client)) {
      frames.push_back(Frame{std::move(text)});
      const Frame& frame = frames.back();
      EXPECT_TRUE(IsValidJson(frame.text)) << frame;
      std::vector<std::string> keys;
      const JsonObject fields(frame.text);
      for (const JsonMember& member : fields.members()) keys.push_back(member.key());
      EXPECT_THAT(
          keys, testing::UnorderedElementsAre("id", "from", "to", "type", "payload", "pattern",
                                              "correlationId", "timestamp", "metadata", "ttl", "signature"));
      EXPECT_EQ(frame.String("id").size(), 36u) << frame;
      EXPECT_EQ(frame["pattern"], "\"tell\"") << frame;
      EXPECT_EQ(frame.Number("timestamp"), hub_.now_ms()) << frame;
      EXPECT_EQ(frame["signature"], "null") << frame;
    }
    return frames;
  }
  Frame One(const ConnectionId& client) {
    const std::vector<Frame> frames = Frames(client);
    EXPECT_THAT(frames, testing::SizeIs(1));
    return frames.empty() ? Frame{"{}"} : frames[0];
  }

  std::string Envelope(const std::string& type, const std::string& from, const std::string& payload,
                       const std::string& pattern, const std::string& more = "") {
    last_id_ = "m" + std::to_string(++messages_);
    return R"({"id":")" + last_id_ + R"(","type":")" + type + R"(","from":)" + Q(from) + R"(,"to":)" + to_ +
           R"(,"payload":)" + payload + R"(,"pattern":")" + pattern + "\"" + more + "}";
  }
  // Sends an ask and returns its one answer, its addressing checked.
  Frame Ask(const ConnectionId& client, const std::string& type, const std::string& from,
            const std::string& payload, const std::string& more = "") {
    hub_.ClientSends(client, Envelope(type, from, payload, "ask", more));
    Frame reply = One(client);
    ExpectAddressed(reply, from);
    return reply;
  }
  void ExpectAddressed(const Frame& reply, const std::string& from) {
    EXPECT_EQ(reply["to"], Q(from)) << reply;
    EXPECT_EQ(reply["from"], to_) << reply;
    EXPECT_EQ(reply.String("correlationId"), last_id_) << reply;
  }
  std::vector<Frame> Tell(const ConnectionId& client, const std::string& type, const std::string& from,
                          const std::string& payload, const std::string& more = "") {
    hub_.ClientSends(client, Envelope(type, from, payload, "tell", more));
    return Frames(client);
  }

  std::string ConnectFrame(const std::string& from) {
    return legacy() ? Envelope("hub:connect", from, "null", "ask",
                               R"(,"metadata":{"protocolVersion":"0.1.0","capabilities":["send","receive"]})")
                    : Envelope("hub:connect", from, R"({"version":"1.0"})", "ask");
  }
  ConnectionId Connect(const std::string& from = "browser/unknown") {
    const ConnectionId client = hub_.ClientConnects();
    hub_.ClientSends(client, ConnectFrame(from));
    EXPECT_EQ(One(client).type(), "hub:connected");
    return client;
  }
  Frame Register(const ConnectionId& client, const std::string& address, const std::string& more = "") {
    Frame reply = Ask(client, "hub:register", address,
                      R"({"actorAddress":)" + Q(address) + R"(,"capabilities":["chat"])" + more + "}");
    EXPECT_EQ(reply.type(), "hub:registered") << reply;
    return reply;
  }
  ConnectionId Actor(const std::string& address, const std::string& more = "") {
    const ConnectionId client = Connect();
    Register(client, address, more);
    return client;
  }
  std::string Subscribe(const ConnectionId& client, const std::string& from, const std::string& topic) {
    const Frame reply = Ask(client, "hub:subscribe", from, R"({"topic":")" + topic + R"(","durable":false})");
    EXPECT_EQ(reply.type(), "hub:subscribed") << reply;
    EXPECT_EQ(reply.String("payload.topic"), topic);
    return reply.String("payload.subscriptionId");
  }
  // Who gets a publication to the topic.
  double Subscribers(const std::string& topic) {
    const ConnectionId someone = Connect();
    const Frame ack =
        Ask(someone, "hub:publish", "x/y", R"({"topic":")" + topic + R"(","type":"t","data":1})");
    hub_.ClientCloses(someone);
    return ack.Number("payload.subscriberCount");
  }
  void ExpectError(const Frame& frame, const std::string& code) {
    EXPECT_EQ(frame.type(), "hub:error") << frame;
    EXPECT_EQ(frame.String("payload.code"), code) << frame;
    EXPECT_THAT(frame.Keys("payload"),
                testing::UnorderedElementsAre("code", "message", "resolution", "details"));
    EXPECT_GT(frame.String("payload.message").size(), 10u);
    EXPECT_GT(frame.String("payload.resolution").size(), 10u);
  }
  std::string Addresses(const Frame& listing) {
    std::string all;
    const std::string actors = listing["payload.actors"];
    for (const JsonSlice actor : JsonElements(actors).value_or(std::vector<JsonSlice>{})) {
      all += *JsonString(JsonObject(actor).Find("actorAddress")) + " ";
    }
    return all;
  }

  Options options_;
  const std::unique_ptr<HubClass> class_ = NewSignalClass(options_);
  FakeContext hub_{*class_};
  std::string to_ = Q("cloudflare/signal-hub");
  int messages_ = 0;
  std::string last_id_;
};

inline const auto kStyles =
    testing::Values(Style{false, false}, Style{false, true}, Style{true, false}, Style{true, true});
inline std::string NameOfStyle(const testing::TestParamInfo<Style>& style) {
  return std::string(style.param.legacy ? "V01" : "V10") + (style.param.canonical ? "Canonical" : "Bare");
}

}  // namespace dormouse::signal
