#include "counter_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/hub/fake_context.h"

TEST(CounterClassTest, CountsOnAfterItsSleep) {
  const auto counter = NewCounterClass();
  dormouse::FakeContext hub(*counter, "lobby");
  const dormouse::ConnectionId alice = hub.ClientConnects();
  hub.ClientSends(alice, "up");
  hub.Sleep();  // the next event finds a new Counter, its state as it was
  hub.ClientSends(alice, "up");
  EXPECT_THAT(hub.TakeFrames(alice), testing::ElementsAre("0", "1", "2"));
}

TEST(CounterClassTest, StartsAnewAfterAMinuteAndAsksOthers) {
  const auto counter = NewCounterClass();
  dormouse::FakeContext hub(*counter, "lobby");
  const dormouse::ConnectionId alice = hub.ClientConnects();
  hub.ClientSends(alice, "up");
  hub.AnswerCalls([](const std::string& other, std::string_view) {
    return dormouse::Context::CallAnswer{.payload = other == "counter/bar" ? "41" : "0"};
  });
  hub.ClientSends(alice, "and bar");
  hub.Advance(60'000);
  ASSERT_TRUE(hub.RunDueTimer());
  EXPECT_THAT(hub.TakeFrames(alice), testing::ElementsAre("0", "1", "42", "0"));
}
