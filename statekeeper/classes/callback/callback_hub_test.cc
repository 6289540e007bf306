#include "statekeeper/classes/callback/callback_hub.h"

#include <gtest/gtest.h>

#include <memory>

#include "statekeeper/hub/fake_context.h"

namespace dormouse {
namespace {

// Its hubs accept events and post none: there is no lane.
class Accepting : public HubClass {
 public:
  Accepting() { profile_.set_name("room"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override {
    return std::make_unique<CallbackHub>(endpoint_, nullptr, nullptr);
  }

 private:
  link::ClassProfile profile_;
  const std::shared_ptr<CallbackEndpoint> endpoint_ =
      std::make_shared<CallbackEndpoint>(CallbackSettings(), nullptr);
};

class CallbackHubTest : public testing::Test {
 protected:
  size_t Waiting() const { return hub_.KeysWithPrefix("e/").size(); }
  void Say(uint64_t sequence, bool repeated) {
    hub_.ClientSends(client_, {.data = "same", .repeated = repeated, .sequence = sequence});
  }

  const Accepting class_;
  FakeContext hub_{class_};
  const ConnectionId client_ = hub_.ClientConnects();
};

TEST_F(CallbackHubTest, RepeatedMessagesAreAcceptedOnce) {
  Say(1, false);
  EXPECT_EQ(Waiting(), 2u) << "with its connect";
  hub_.Sleep();
  Say(1, true);
  EXPECT_EQ(Waiting(), 2u);
}

// Two of the same words, in the same millisecond: one was accepted before the crash, and one was not.
TEST_F(CallbackHubTest, MessagesThatSayTheSameAreTwo) {
  Say(1, false);
  hub_.Sleep();
  Say(1, true);
  Say(2, true);
  EXPECT_EQ(Waiting(), 3u);
}

TEST_F(CallbackHubTest, AnotherSocketsMessagesAreItsOwn) {
  Say(5, false);
  const ConnectionId other = hub_.ClientConnects();
  hub_.ClientSends(other, {.data = "same", .repeated = true, .sequence = 4});
  EXPECT_EQ(Waiting(), 4u);
}

TEST_F(CallbackHubTest, NothingIsKeptOfClosedSockets) {
  Say(1, false);
  EXPECT_EQ(hub_.KeysWithPrefix("n/").size(), 1u);
  hub_.ClientCloses(client_);
  EXPECT_TRUE(hub_.KeysWithPrefix("n/").empty());
  EXPECT_TRUE(hub_.KeysWithPrefix("p/").empty());
}

}  // namespace
}  // namespace dormouse
