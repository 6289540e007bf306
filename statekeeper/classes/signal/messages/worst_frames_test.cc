// The worst frame of a megabyte that somebody could send of each type: how much processor time it costs. The
// bounds are far above what is measured (it is printed) and far below what such frames cost where work grows
// with the square of a frame's size.
#include <gmock/gmock.h>

#include <cstdio>
#include <ctime>
#include <functional>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

constexpr size_t kFrame = 1 << 20;
constexpr double kBoundMs = 500;

// `piece(i)` for i = 0, 1, ..., with commas between, of `bytes` together.
std::string Many(size_t bytes, const std::function<std::string(size_t)>& piece) {
  std::string text;
  for (size_t i = 0; text.size() < bytes; ++i) {
    if (i > 0) text.push_back(',');
    text += piece(i);
  }
  return text;
}
std::string Numbered(size_t i) { return "\"" + std::to_string(i) + "\""; }
std::string NumberedMember(size_t i) { return Numbered(i) + ":" + Numbered(i); }

class WorstFramesTest : public testing::Test, protected HubStage {
 protected:
  static Options WithWildcards() {
    Options options;
    options.topic_wildcards = true;
    return options;
  }
  WorstFramesTest() : HubStage(WithWildcards()) {}

  void Time(const std::string& what, const std::string& frame) {
    ASSERT_LE(frame.size(), kFrame + (kFrame >> 6)) << what;
    const std::clock_t begun = std::clock();
    hub().ClientSends(client_, frame);
    const double took_ms = 1000.0 * static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    const std::vector<Frame> answers = Frames(client_);
    size_t bytes = 0;
    for (const Frame& answer : answers) bytes += answer.text.size();
    std::printf("  %7.2f ms  %-55s %s, %zu bytes\n", took_ms, what.c_str(),
                answers.empty() ? "no answer" : answers[0].type().substr(0, 40).c_str(), bytes);
    EXPECT_LT(took_ms, kBoundMs) << what;
  }
  void TimePayload(const std::string& what, const std::string& type, const std::string& payload) {
    Time(type + ", " + what, Envelope(type, "c/1", payload));
  }

  const ConnectionId client_ = Actor("c/1");
};

TEST_F(WorstFramesTest, AnyType) {
  const std::string end = R"("type":"hub:queue_stats","from":"c/1","payload":{}})";
  Time("a million brackets",
       "{\"x\":" + std::string(kFrame / 2 - 100, '[') + std::string(kFrame / 2 - 100, ']') + "," + end);
  Time("members", "{" + Many(kFrame - 200, NumberedMember) + "," + end);
  Time("one-letter members", "{" + Many(kFrame - 200, [](size_t) { return "\"a\":1"; }) + "," + end);
  Time("escaped members", "{" + Many(kFrame - 200, [](size_t) { return R"("\u0074yp":1)"; }) + "," + end);
  Time("metadata of members", "{\"metadata\":{" + Many(kFrame - 200, NumberedMember) + "}," + end);
  Time("payload of escaped members", R"({"type":"hub:queue_stats","from":"c/1","payload":{)" +
                                         Many(kFrame - 200, [](size_t) { return R"("\u0074yp":1)"; }) + "}}");
  Time("a long number", "{\"timestamp\":" + std::string(kFrame - 200, '7') + "," + end);
  Time("a long fraction", "{\"timestamp\":0." + std::string(kFrame - 200, '7') + "," + end);
  Time("a long ttl", "{\"ttl\":0.000" + std::string(kFrame - 200, '3') + "e300," + end);
  Time("an id", "{\"id\":\"" + std::string(kFrame - 200, 'i') + "\"," + end);
  Time("an id of numbers", "{\"id\":[" + Many(kFrame - 200, Numbered) + "]," + end);
  Time(
      "surrogates", "{\"x\":\"" + [] {
        std::string text;
        while (text.size() < kFrame - 200) text += "\\ud800";
        return text;
      }() + "\"," + end);
  Time("a type", R"({"from":"c/1","to":"hub","type":"hub:)" + std::string(kFrame - 200, 't') + "\"}");
  Time("an application's type",
       R"({"from":"c/1","to":"c/1","pattern":"ask","type":")" + std::string(kFrame - 200, 't') + "\"}");
  Time("a sender", R"({"type":"hub:subscribe","payload":{"topic":"t"},"from":")" +
                       std::string(kFrame - 200, 'f') + "\"}");
  Time("a recipient",
       R"({"type":"x","pattern":"ask","from":"c/1","to":")" + std::string(kFrame - 200, 'f') + "\"}");
  Time("not JSON", std::string(kFrame, '\xff'));
  Time("an array", "[" + Many(kFrame - 200, Numbered) + "]");
}

TEST_F(WorstFramesTest, Connecting) {
  const std::string legacy =
      R"({"type":"hub:connect","from":"c/1","payload":null,"metadata":{"protocolVersion":"0.1.0",)";
  Time("capabilities", legacy + "\"capabilities\":[" + Many(kFrame - 300, Numbered) + "]}}");
  TimePayload("a version", "hub:connect", R"({"version":")" + std::string(kFrame - 300, '9') + "\"}");
  TimePayload("a token", "hub:connect",
              R"({"version":"1.0","resumeToken":")" + std::string(kFrame - 300, '9') + "\"}");
  TimePayload("a token", "hub:refresh_token", R"({"token":")" + std::string(kFrame - 300, '9') + "\"}");
  TimePayload("a timestamp", "hub:heartbeat", R"({"timestamp":")" + std::string(kFrame - 300, '9') + "\"}");
}

TEST_F(WorstFramesTest, Registering) {
  TimePayload("capabilities", "hub:register",
              R"({"actorAddress":"c/1","capabilities":[)" + Many(kFrame - 300, Numbered) + "]}");
  TimePayload("metadata", "hub:register",
              R"({"actorAddress":"c/1","metadata":{)" + Many(kFrame - 300, NumberedMember) + "}}");
  TimePayload("an address", "hub:register", R"({"actorAddress":")" + std::string(kFrame - 300, 'a') + "\"}");
  TimePayload("a token", "hub:renew", R"({"renewalToken":")" + std::string(kFrame - 300, '.') + "\"}");
  TimePayload("an address", "hub:unregister",
              R"({"actorAddress":")" + std::string(kFrame - 300, 'a') + "\"}");
}

TEST_F(WorstFramesTest, Discovering) {
  // What an actor may say of itself at most, many times.
  const std::string capabilities = Many(15 << 10, Numbered);
  const std::string metadata = Many(15 << 10, NumberedMember);
  for (int i = 0; i < 50; ++i) {
    Ask(client_, "hub:register", "c/1",
        "{\"actorAddress\":\"a/" + std::to_string(i) + "\",\"capabilities\":[" + capabilities + "]}");
    Ask(client_, "hub:register", "c/1",
        "{\"actorAddress\":\"b/" + std::to_string(i) + "\",\"metadata\":{" + metadata + "}}");
  }
  TimePayload("capabilities", "hub:discover",
              "{\"capabilities\":[" + Many(kFrame - 300, [](size_t) { return Numbered(2000); }) + "]}");
  TimePayload("metadata", "hub:discover",
              "{\"metadata\":{" + Many(kFrame - 300, [](size_t) { return NumberedMember(0); }) + "}}");
  const auto some = [](size_t i) { return Numbered(i % 100); };
  TimePayload("100 capabilities", "hub:discover", "{\"capabilities\":[" + Many(480, some) + "]}");
  TimePayload("90 members", "hub:discover", "{\"metadata\":{" + Many(900, NumberedMember) + "}}");
  TimePayload("a pattern", "hub:discover", R"({"pattern":")" + std::string(kFrame - 300, '*') + "\"}");
  TimePayload(
      "a glob", "hub:discover", R"({"pattern":")" + [] {
        std::string text;
        while (text.size() < 500) text += "*a";
        return text;
      }() + "\"}");
  TimePayload("everything", "hub:discover", R"({"limit":1000})");
  TimePayload("everything", "hub:list_actors", R"({"limit":100})");
}

TEST_F(WorstFramesTest, Delivering) {
  TimePayload("members", "hub:send", R"({"to":"c/1","type":"x",)" + Many(kFrame - 300, NumberedMember) + "}");
  TimePayload("data", "hub:send",
              R"({"to":"c/1","type":"x","data":")" + std::string(kFrame - 300, 'd') + "\"}");
  TimePayload("a type", "hub:send", R"({"to":"c/1","type":")" + std::string(kFrame - 300, 'd') + "\"}");
  Time("hub:send, metadata",
       R"({"type":"hub:send","from":"c/1","payload":{"to":"c/1","type":"x"},"metadata":{)" +
           Many(kFrame - 300, NumberedMember) + "}}");
  Time("hub:send, escaped metadata",
       R"({"type":"hub:send","from":"c/1","payload":{"to":"c/1","type":"x"},"metadata":{)" +
           Many(kFrame - 300, [](size_t) { return R"("\u0000":1)"; }) + "}}");
  TimePayload("data", "hub:broadcast", R"({"type":"x","data":")" + std::string(kFrame - 300, 'd') + "\"}");
}

TEST_F(WorstFramesTest, Topics) {
  const std::string slashes(kFrame - 300, '/');
  for (const char* type : {"hub:subscribe", "hub:unsubscribe", "hub:publish"}) {
    TimePayload("slashes", type, R"({"topic":")" + slashes + R"(","type":"x"})");
    TimePayload("wildcards", type, R"({"topic":"+)" + slashes + R"(","type":"x"})");
    TimePayload("an id", type, R"({"subscriptionId":")" + slashes + R"(","type":"x"})");
  }
  // Patterns that can match, in every way, and topics of as many levels as there can be.
  for (int bits = 0; bits < 128; ++bits) {
    std::string topic;
    for (int level = 0; level < 7; ++level) topic += (bits >> level & 1) != 0 ? "+/" : "/";
    ASSERT_EQ(Ask(client_, "hub:subscribe", "c/1", R"({"topic":")" + topic + "#\"}").type(),
              "hub:subscribed");
  }
  TimePayload("256 levels", "hub:publish", R"({"topic":")" + std::string(256, '/') + R"(","type":"x"})");
  TimePayload("8 levels", "hub:publish", R"({"topic":"///////","type":"x"})");
}

}  // namespace
}  // namespace dormouse::signal
