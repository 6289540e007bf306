// Patterns of hub:discover that mean harm: each is refused, or costs a bounded time.
#include <gmock/gmock.h>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/protocol/pattern.h"
#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::HasSubstr;

class DiscoveryAttackTest : public testing::Test, protected HubStage {
 protected:
  Frame Discover(const std::string& pattern) {
    return Ask(client_, "hub:discover", "c/1", JsonWriter().String("pattern", pattern).Finish());
  }
  const ConnectionId client_ = Actor("c/1");
};

TEST_F(DiscoveryAttackTest, WhatCompilesToTooMuchIsRefused) {
  for (const char* pattern : {"^(a?){500}a{500}$", "(a{0,100}){0,9}c", "(.{1,20}){1,20}c", "(\\pL){30}c",
                              "(((((a{0,3}){0,3}){0,3}){0,3}){0,3}){0,3}c", "(x{1000}){1000}", "a{100000}",
                              "[^c]*[^d][^c]{500}c", "((((((a{10}){10}){10}){10}){10}){10})"}) {
    const Frame frame = Discover(pattern);
    EXPECT_EQ(frame.type(), "hub:error") << pattern;
    EXPECT_THAT(frame.String("payload.message"), HasSubstr("payload.pattern cannot be used: ")) << pattern;
    EXPECT_THAT(frame.String("payload.resolution"), HasSubstr("glob")) << pattern;
  }
  EXPECT_EQ(Discover(std::string(513, '*')).type(), "hub:error");
  EXPECT_EQ(Discover(std::string(512, '*')).type(), "hub:discovery_result");
}

TEST_F(DiscoveryAttackTest, WhatBacktrackingEnginesChokeOnIsNothing) {
  Actor(std::string(250, 'a'));
  for (const char* pattern :
       {"^(a+)+$", "^(a|aa)+$", "^(a|a)*b$", "(.*)*(.*)*(.*)*c", "^(([a-z])+.)+[A-Z]$"}) {
    EXPECT_EQ(Discover(pattern).type(), "hub:discovery_result") << pattern;
  }
}

TEST_F(DiscoveryAttackTest, WhatTakesTooLongIsStoppedAndTheHubGoesOn) {
  for (int i = 0; i < 500; ++i) {
    Ask(client_, "hub:register", "c/1", R"({"actorAddress":"a/)" + std::to_string(i) + "\"}");
  }
  hub().SetTimePerRow(std::chrono::milliseconds(1));
  const Frame frame = Discover("(a|b|ab|ba|aab)*a(a|b|.){60}c");
  EXPECT_EQ(frame.code(), "timeout") << frame;
  EXPECT_THAT(frame.String("payload.resolution"), HasSubstr("simpler"));
  EXPECT_LE(hub().rows_read(), 110u) << "it went on";
  hub().SetTimePerRow(std::chrono::microseconds(1));
  EXPECT_EQ(Discover("^@\\(a/499\\)")["payload.totalMatches"], "1");
}

}  // namespace
}  // namespace dormouse::signal
