// A signal hub on a FakeContext, and clients that speak to it in dialect 1.0: for tests of what the
// protocol's two dialects and two forms of address have in common (signal_hub_test.cc has the differences).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/options.h"
#include "statekeeper/classes/json/json_reader.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {

class HubStage {
 public:
  explicit HubStage(const Options& options = {}) : class_(NewSignalClass(options)), hub_(*class_) {}

  FakeContext& hub() { return hub_; }

  // A request as an ask of `from`.
  static std::string Frame(const std::string& type, const std::string& from, const std::string& payload,
                           const std::string& to = "cloudflare/signal-hub") {
    return R"({"id":"1","type":")" + type + R"(","from":")" + from + R"(","to":")" + to + R"(","payload":)" +
           payload + R"(,"pattern":"ask"})";
  }
  // Sends it; all frames that the client has got then.
  std::vector<std::string> Ask(const ConnectionId& client, const std::string& type, const std::string& from,
                               const std::string& payload) {
    hub_.ClientSends(client, Frame(type, from, payload));
    return hub_.TakeFrames(client);
  }
  // The same for what has one answer.
  std::string Answer(const ConnectionId& client, const std::string& type, const std::string& from,
                     const std::string& payload) {
    std::vector<std::string> frames = Ask(client, type, from, payload);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? "{}" : frames[0];
  }
  // A client that has registered.
  ConnectionId Actor(const std::string& address) {
    const ConnectionId client = hub_.ClientConnects();
    EXPECT_EQ(Text(Answer(client, "hub:connect", address, R"({"version":"1.0"})"), "type"), "hub:connected");
    EXPECT_EQ(Text(Answer(client, "hub:register", address,
                          R"({"actorAddress":")" + address + R"(","capabilities":["chat"]})"),
                   "type"),
              "hub:registered");
    return client;
  }

  // What a frame says at a path, "payload.code", as JSON; and as a string.
  static std::string Json(std::string frame, const std::string& path) {
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('.', begin), path.size());
      frame = std::string(JsonObject(frame).Find(path.substr(begin, end - begin)));
      begin = end + 1;
    }
    return frame;
  }
  static std::string Text(const std::string& frame, const std::string& path) {
    return JsonString(Json(frame, path)).value_or("(no string)");
  }
  static std::vector<std::string> Types(const std::vector<std::string>& frames) {
    std::vector<std::string> types;
    types.reserve(frames.size());
    for (const std::string& frame : frames) types.push_back(Text(frame, "type"));
    return types;
  }

 private:
  const std::unique_ptr<HubClass> class_;
  FakeContext hub_;
};

}  // namespace dormouse::signal
