// A signal hub on a FakeContext, and clients that speak to it in dialect 1.0: for tests of what the
// protocol's two dialects and two forms of address have in common (signal_hub_test.cc has the differences).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/testing/frame.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {

class HubStage {
 public:
  explicit HubStage(const Options& options = {}, const std::string& name = "default")
      : class_(NewSignalClass(options)), hub_(*class_, name) {}

  FakeContext& hub() { return hub_; }

  static std::string Envelope(const std::string& type, const std::string& from, const std::string& payload,
                              const std::string& to = "cloudflare/signal-hub") {
    return R"({"id":"1","type":")" + type + R"(","from":")" + from + R"(","to":")" + to + R"(","payload":)" +
           payload + R"(,"pattern":"ask"})";
  }

  // All frames that a client has got since it was last asked.
  std::vector<Frame> Frames(const ConnectionId& client) {
    std::vector<Frame> frames;
    for (std::string& text : hub_.TakeFrames(client)) frames.push_back(Frame{std::move(text)});
    return frames;
  }
  Frame One(const ConnectionId& client) {
    const std::vector<Frame> frames = Frames(client);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? Frame{"{}"} : frames[0];
  }

  // Sends a request that has one answer, and returns that.
  Frame Ask(const ConnectionId& client, const std::string& type, const std::string& from,
            const std::string& payload) {
    hub_.ClientSends(client, Envelope(type, from, payload));
    return One(client);
  }
  // The same for what has any number of them.
  std::vector<Frame> AskAll(const ConnectionId& client, const std::string& type, const std::string& from,
                            const std::string& payload) {
    hub_.ClientSends(client, Envelope(type, from, payload));
    return Frames(client);
  }

  // `more`: further fields of the payload, ",\"ttl\":60".
  void Register(const ConnectionId& client, const std::string& address, const std::string& more = "") {
    EXPECT_EQ(Ask(client, "hub:register", address,
                  R"({"actorAddress":")" + address + R"(","capabilities":["chat"])" + more + "}")
                  .type(),
              "hub:registered");
  }
  // A client that has registered.
  ConnectionId Actor(const std::string& address) {
    const ConnectionId client = hub_.ClientConnects();
    EXPECT_EQ(Ask(client, "hub:connect", address, R"({"version":"1.0"})").type(), "hub:connected");
    Register(client, address);
    return client;
  }

 private:
  const std::unique_ptr<HubClass> class_;
  FakeContext hub_;
};

}  // namespace dormouse::signal
