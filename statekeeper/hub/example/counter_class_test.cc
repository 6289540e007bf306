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
