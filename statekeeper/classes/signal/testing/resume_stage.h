// Tests of sessions that outlive their sockets: one hub, a client `me` that comes and goes, and a sender.
#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {

inline constexpr int64_t kWindow = 120'000;
// For a last message id: the client says that it has got none.
inline constexpr std::string_view kNone = "none";

// One hub, a client `me` that comes and goes, and a sender.
class ResumeHub : public HubStage {
 public:
  using HubStage::HubStage;

  static std::string ConnectFrame(const std::string& token, const std::string& from = "browser/me",
                                  const std::string& last = "") {
    JsonWriter payload;
    payload.String("version", "1.0");
    if (!token.empty()) payload.String("resumeToken", token);
    if (last == kNone) {
      payload.Raw("lastMessageId", "null");
    } else if (!last.empty()) {
      payload.String("lastMessageId", last);
    }
    return Envelope("hub:connect", from, payload.Finish());
  }
  // Opens a socket and sends hub:connect; what comes back stays to be taken.
  ConnectionId Come(const std::string& token, const std::string& from = "browser/me",
                    const std::string& last = "") {
    const ConnectionId client = hub().ClientConnects();
    hub().ClientSends(client, ConnectFrame(token, from, last));
    return client;
  }
  // A sends a numbered message to browser/me; the type of the answer.
  Frame Send(int number) {
    return Ask(Sender(), "hub:send", "browser/sender",
               R"({"to":"browser/me","type":"n","data":)" + std::to_string(number) + "}");
  }
  ConnectionId Sender() {
    if (!sender_.has_value()) {
      sender_ = Come("", "browser/sender");
      Frames(*sender_);
    }
    return *sender_;
  }

 private:
  std::optional<ConnectionId> sender_;
};

// What a client sees when it comes: hub:connected, and the numbers of the messages after it.
struct Welcome {
  ConnectionId client;
  Frame connected;
  std::vector<std::string> numbers;
  std::vector<std::string> texts;

  bool resumed() const { return connected["payload.resumed"] == "true"; }
  std::string token() const { return connected.String("payload.resumeToken"); }
  std::string session() const { return connected.String("payload.sessionId"); }
};

class ResumeStage : public testing::Test, protected ResumeHub {
 protected:
  explicit ResumeStage(const Options& options = {}) : ResumeHub(options) {}

  static std::vector<std::string> Numbers(const std::vector<Frame>& frames) {
    std::vector<std::string> numbers;
    numbers.reserve(frames.size());
    for (const Frame& frame : frames) numbers.push_back(frame["payload"]);
    return numbers;
  }
  Welcome Read(const ConnectionId& client) {
    Welcome welcome{client, {}, {}, {}};
    std::vector<Frame> frames = Frames(client);
    if (frames.empty()) return welcome;
    welcome.connected = frames[0];
    EXPECT_EQ(welcome.connected.type(), "hub:connected") << welcome.connected;
    frames.erase(frames.begin());
    welcome.numbers = Numbers(frames);
    for (Frame& frame : frames) welcome.texts.push_back(frame.text);
    return welcome;
  }
  Welcome Arrive(const std::string& token = "", const std::string& from = "browser/me",
                 const std::string& last = "") {
    return Read(Come(token, from, last));
  }
  // A client says something, which does nothing.
  void Say(const ConnectionId& client) {
    EXPECT_EQ(Ask(client, "hub:heartbeat", "browser/me", "{}").type(), "hub:heartbeat_ack");
  }
  // A registered and subscribed `me`.
  Welcome Me() {
    Welcome me = Arrive();
    EXPECT_FALSE(me.resumed());
    Register(me.client, "browser/me");
    EXPECT_EQ(Ask(me.client, "hub:subscribe", "browser/me", R"({"topic":"news"})").type(), "hub:subscribed");
    return me;
  }
  Frame Publish(int number) {
    return Ask(Sender(), "hub:publish", "browser/sender",
               R"({"topic":"news","type":"n","data":)" + std::to_string(number) + "}");
  }
  // Nothing of a session that was absent is left. The rows of sessions that are there may be.
  void ExpectNoTraces() {
    for (const char* prefix : {"d/", "m/", "b/"})
      EXPECT_THAT(hub().KeysWithPrefix(prefix), testing::IsEmpty());
  }
  void ExpectNoUsedTokens() { EXPECT_THAT(hub().KeysWithPrefix("f/"), testing::IsEmpty()); }
};

}  // namespace dormouse::signal
