#include "common/loop/trim_after_flood.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(TrimAfterFloodTest, WhatFallsIntoTheRestIsGivenBackAfterItThoughNobodyAsks) {
  struct ev_loop* const loop = ev_loop_new(EVBACKEND_EPOLL);
  {
    int trims = 0;
    TrimAfterFlood trim(loop, 100, [&] { ++trims; });
    trim.Held(TrimAfterFlood::kFlood - 1);
    trim.Held(0);
    EXPECT_EQ(trims, 0) << "that was none";
    trim.Held(8 * TrimAfterFlood::kFlood);
    trim.Held(4 * TrimAfterFlood::kFlood);
    EXPECT_EQ(trims, 0) << "it goes on";
    trim.Held(2 * TrimAfterFlood::kFlood);
    EXPECT_EQ(trims, 1);
    trim.Held(0);
    EXPECT_EQ(trims, 1) << "not twice in a row";
    while (trims == 1) ev_run(loop, EVRUN_ONCE);
    EXPECT_EQ(trims, 2);
    EXPECT_EQ(ev_run(loop, EVRUN_NOWAIT), 0) << "there is nothing more to do";
    // A flood that begins again within the rest is waited for.
    trim.Held(2 * TrimAfterFlood::kFlood);
    trim.Held(0);
    trim.Held(2 * TrimAfterFlood::kFlood);
    EXPECT_EQ(ev_run(loop, 0), 0);
    EXPECT_EQ(trims, 2);
  }
  ev_loop_destroy(loop);
}

}  // namespace
}  // namespace dormouse
