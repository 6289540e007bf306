#include "statekeeper/runtime/lane/lease_watch.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(LeaseWatchTest, WhoWaitsIsToldOnceWhenItIsGoodAgain) {
  struct ev_loop* const loop = ev_loop_new(EVBACKEND_EPOLL);
  {
    Lease lease;
    int renewed = 0;
    LeaseWatch watch(loop, &lease, [&] { ++renewed; });
    EXPECT_FALSE(watch.IsGood());
    ev_run(loop, EVRUN_ONCE);  // nothing to wait for: it costs nothing
    watch.Await();
    watch.Await();
    ev_run(loop, EVRUN_ONCE);
    EXPECT_EQ(renewed, 0);
    lease.Renew(Lease::kForever);
    while (renewed == 0) ev_run(loop, EVRUN_ONCE);
    ev_run(loop, EVRUN_ONCE);
    EXPECT_EQ(renewed, 1);
  }
  ev_loop_destroy(loop);
}

}  // namespace
}  // namespace dormouse
