#include "common/loop/loop_lag.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

namespace dormouse {
namespace {

class LoopLagTest : public testing::Test {
 protected:
  void Turn() { ev_run(loop_.get(), EVRUN_NOWAIT); }
  prometheus::ClientMetric::Histogram Told() {
    return LoopLag::NewHistogram(&registry_, {{"lane", "0"}}).Collect().histogram;
  }

  const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop_{ev_loop_new(EVBACKEND_EPOLL),
                                                                         ev_loop_destroy};
  prometheus::Registry registry_;
  const std::unique_ptr<LoopLag> lag_ =
      std::make_unique<LoopLag>(loop_.get(), &LoopLag::NewHistogram(&registry_, {{"lane", "0"}}));
};

TEST_F(LoopLagTest, ALongTurnIsToldAtOnce) {
  ev_idle busy;
  ev_idle_init(&busy, [](struct ev_loop* loop, ev_idle* idle, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    ev_idle_stop(loop, idle);
  });
  ev_idle_start(loop_.get(), &busy);
  Turn();
  Turn();  // whose beginning ends the one before
  const auto told = Told();
  ASSERT_GE(told.sample_count, 1u);
  EXPECT_GE(told.sample_sum, 0.06);
  uint64_t up_to_50_ms = 0;
  for (const auto& bucket : told.bucket) {
    if (bucket.upper_bound <= 0.05) up_to_50_ms = bucket.cumulative_count;
  }
  EXPECT_LT(up_to_50_ms, told.sample_count);
}

TEST_F(LoopLagTest, ShortTurnsAreToldTogether) {
  for (int i = 0; i < 100; ++i) Turn();
  const uint64_t before = Told().sample_count;
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  Turn();
  Turn();
  EXPECT_GE(Told().sample_count, 99u);
  EXPECT_LT(before, Told().sample_count);
}

TEST_F(LoopLagTest, IsNoReasonForTheLoopToGoOn) { EXPECT_EQ(ev_run(loop_.get(), 0), 0); }

}  // namespace
}  // namespace dormouse
