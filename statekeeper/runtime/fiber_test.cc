#include "statekeeper/runtime/fiber.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace dormouse {
namespace {

TEST(FiberTest, RunsToTheEndWhenNothingSuspends) {
  FiberPool pool;
  std::string order;
  pool.Run([&] { order += "a"; });
  order += "b";
  pool.Run([&] { order += "c"; });
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(pool.busy(), 0u);
}

TEST(FiberTest, ManySuspendedFibersKeepTheirStacks) {
  FiberPool pool;
  std::vector<Fiber*> suspended;
  std::vector<int> sums;
  for (int i = 0; i < 200; ++i) {
    pool.Run([&, i] {
      std::vector<int> local(100, i);
      suspended.push_back(pool.current());
      pool.Suspend();
      sums.push_back(std::accumulate(local.begin(), local.end(), 0));
      suspended.push_back(pool.current());
      pool.Suspend();
      local.clear();
    });
  }
  EXPECT_EQ(pool.busy(), 200u);
  const std::vector<Fiber*> first = std::move(suspended);
  suspended.clear();
  for (auto it = first.rbegin(); it != first.rend(); ++it) pool.Resume(*it);
  ASSERT_EQ(sums.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(sums[i], (199 - i) * 100);
  for (Fiber* fiber : std::vector<Fiber*>(suspended)) pool.Resume(fiber);
  EXPECT_EQ(pool.busy(), 0u);
}

TEST(FiberTest, SoManyMaySuspendAndAFewMorePause) {
  FiberPool pool(2);
  std::vector<Fiber*> suspended;
  const auto suspend = [&] {
    ASSERT_TRUE(pool.MaySuspend());
    suspended.push_back(pool.current());
    pool.Suspend();
  };
  pool.Run(suspend);
  EXPECT_TRUE(pool.MaySuspend());
  pool.Run(suspend);
  EXPECT_FALSE(pool.MaySuspend());
  bool paused = false;
  pool.Run([&] {
    EXPECT_FALSE(pool.MaySuspend());
    suspended.push_back(pool.current());
    paused = pool.Pause();
    EXPECT_FALSE(pool.MaySuspend()) << "it pauses on top of those that wait";
  });
  EXPECT_TRUE(pool.MayRun()) << "others go on";
  for (Fiber* fiber : std::vector<Fiber*>(suspended.rbegin(), suspended.rend())) pool.Resume(fiber);
  EXPECT_TRUE(paused);
  EXPECT_TRUE(pool.MaySuspend());
  EXPECT_EQ(pool.busy(), 0u);
}

TEST(FiberTest, WithoutMemoryForAStackNoFiberIsFree) {
  FiberPool pool(10, size_t{1} << 50);
  EXPECT_FALSE(pool.MayRun());
  EXPECT_THROW(pool.Run([] {}), std::bad_alloc);
  EXPECT_FALSE(pool.MayRun());
}

TEST(FiberTest, ExceptionsStayOnTheirFiberAcrossASuspension) {
  FiberPool pool;
  Fiber* fiber = nullptr;
  std::string caught;
  pool.Run([&] {
    try {
      fiber = pool.current();
      pool.Suspend();
      throw std::runtime_error("late");
    } catch (const std::exception& error) {
      caught = error.what();
    }
  });
  EXPECT_EQ(caught, "");
  pool.Resume(fiber);
  EXPECT_EQ(caught, "late");
}

TEST(FiberTest, OneSuspendedWhenThePoolEndsIsAbandonedQuietly) {
  bool unwound = false;
  struct Flag {
    bool* flag;
    ~Flag() { *flag = true; }
  };
  {
    FiberPool pool;
    pool.Run([&] {
      const Flag guard{&unwound};
      pool.Suspend();
    });
  }
  EXPECT_FALSE(unwound);
}

}  // namespace
}  // namespace dormouse
