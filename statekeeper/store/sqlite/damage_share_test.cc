#include "statekeeper/store/sqlite/damage_share.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

class DamageShareTest : public testing::Test {
 protected:
  void Fail(ShardId first, ShardId end) {
    for (ShardId shard = first; shard < end; ++shard) share_.Failed(shard, now_ms_);
  }
  void Serve(ShardId first, ShardId end) {
    for (ShardId shard = first; shard < end; ++shard) share_.Served(shard, now_ms_);
  }
  bool IsMost() { return share_.IsMost(now_ms_ += 1'000); }

  DamageShare share_;
  int64_t now_ms_ = 1'000;
};

TEST_F(DamageShareTest, APartIsNotMost) {
  Serve(0, 100);
  Fail(0, 10);
  EXPECT_FALSE(IsMost());
}

TEST_F(DamageShareTest, OneHubThatTriesAgainIsNotMost) {
  for (int i = 0; i < 100; ++i) share_.Failed(7, now_ms_);
  EXPECT_FALSE(IsMost());
}

TEST_F(DamageShareTest, WhatFailsNowAndThenFails) {
  Serve(0, 10);
  Fail(0, 6);
  Serve(0, 10);
  EXPECT_TRUE(IsMost());
}

TEST_F(DamageShareTest, ItIsBetterWhenMostIsServedAndNotWhenNobodyAsks) {
  Fail(0, 10);
  EXPECT_TRUE(IsMost());
  now_ms_ += 120'000;
  EXPECT_TRUE(IsMost()) << "nobody has asked";
  Serve(0, 10);
  EXPECT_FALSE(IsMost());
}

}  // namespace
}  // namespace dormouse
