#include "statekeeper/runtime/lane/suspect_queue.h"

#include <gtest/gtest.h>

#include <memory>

#include "statekeeper/runtime/testing/fake_host.h"
#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

// Two lanes of a process; those of a hub that has been given its turn run soon.
class SuspectQueueTest : public testing::Test {
 protected:
  ~SuspectQueueTest() override {
    first_.reset();
    second_.reset();
    ev_loop_destroy(loop_);
  }
  std::shared_ptr<AwakeHub> NewHub(const std::string& name) {
    return std::make_shared<AwakeHub>(name, ShardEpoch{3, 7}, &class_, &host_);
  }
  // How many have had their turn.
  size_t Turns() {
    ev_run(loop_, EVRUN_NOWAIT);
    return host_.to_run.size();
  }

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  FakeHost host_;
  RepeatingClass class_;
  SuspectTurn turn_;
  std::unique_ptr<SuspectQueue> first_ = std::make_unique<SuspectQueue>(loop_, &turn_);
  std::unique_ptr<SuspectQueue> second_ = std::make_unique<SuspectQueue>(loop_, &turn_);
};

TEST_F(SuspectQueueTest, OfAllLanesOneHubAtATimeHasTheTurn) {
  first_->Add(NewHub("test/a"));
  first_->Add(NewHub("test/b"));
  second_->Add(NewHub("test/c"));
  EXPECT_TRUE(host_.to_run.empty()) << "not within the hub's call";
  EXPECT_EQ(Turns(), 1u);
  EXPECT_EQ(Turns(), 1u);
  first_->EndTurn();
  EXPECT_EQ(Turns(), 2u);
  EXPECT_EQ(host_.to_run[1].first->name(), "test/c") << "the other lane asked before";
  second_->EndTurn();
  EXPECT_EQ(Turns(), 3u);
}

TEST_F(SuspectQueueTest, ALaneThatEndsGivesItsTurnBack) {
  first_->Add(NewHub("test/a"));
  second_->Add(NewHub("test/b"));
  EXPECT_EQ(Turns(), 1u);
  first_.reset();
  EXPECT_EQ(Turns(), 2u);
}

}  // namespace
}  // namespace dormouse
