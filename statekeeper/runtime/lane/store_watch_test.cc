#include "statekeeper/runtime/lane/store_watch.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "statekeeper/runtime/testing/manual_store.h"

namespace dormouse {
namespace {

TEST(StoreWatchTest, OthersLearnHowTheStoreIs) {
  prometheus::Registry registry;
  LaneMetrics metrics(&registry, 0);
  StoreWatch watch(0, &metrics);
  EXPECT_EQ(watch.report().state, StoreState::kAway) << "until the first look";
  ManualStore store;
  watch.Look(store);
  EXPECT_EQ(watch.report(), (StoreReport{StoreState::kWell, ""}));
  EXPECT_EQ(metrics.store_healthy.Value(), 1);
  store.is_healthy = false;
  watch.Look(store);
  EXPECT_EQ(watch.report(), (StoreReport{StoreState::kAway, store.trouble()}));
  EXPECT_EQ(metrics.store_healthy.Value(), 0);
}

}  // namespace
}  // namespace dormouse
