#include "statekeeper/runtime/hub/handler_clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "common/thread_time.h"
#include "statekeeper/runtime/hub/over_limit.h"

namespace dormouse {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// Keeps the processor busy for so long of its own time.
void Work(milliseconds time) {
  const clock_t end = clock() + static_cast<clock_t>(time.count() * (CLOCKS_PER_SEC / 1000));
  while (clock() < end) {
  }
}

class HandlerClockTest : public testing::Test {
 protected:
  int yields_ = 0;
  HandlerClock clock_{[this] { ++yields_; }};
};

TEST_F(HandlerClockTest, WhoWorksLetsOthersRunAtItsNextCall) {
  clock_.Begin({});
  for (int i = 0; i < 3; ++i) clock_.Safepoint();
  EXPECT_EQ(yields_, 0);
  for (int i = 0; i < 3; ++i) {
    Work(milliseconds(2));
    clock_.Safepoint();
    clock_.Safepoint();
  }
  // When it is first seen to work it may not be known since when.
  EXPECT_GE(yields_, 2);
  EXPECT_LE(yields_, 3);
  EXPECT_GE(clock_.End(), milliseconds(5));
}

TEST_F(HandlerClockTest, WaitingForTheStoreDoesNotCount) {
  clock_.Begin(milliseconds(20));
  clock_.Pause();
  Work(milliseconds(40));  // of other hubs
  clock_.Continue();
  clock_.Safepoint();
  EXPECT_EQ(yields_, 0);
  EXPECT_LT(clock_.End(), milliseconds(20));
}

TEST_F(HandlerClockTest, BeingKeptOffTheProcessorDoesNotCount) {
  std::this_thread::sleep_for(milliseconds(2));  // so that what was done before is known to be others' work
  const auto began = ThreadTime();
  clock_.Begin(milliseconds(20));
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    clock_.Safepoint();
  }
  // Of which being woken takes a part, on a busy machine.
  const auto worked = ThreadTime() - began;
  EXPECT_LE(yields_, worked / microseconds(100));
  EXPECT_LT(clock_.End(), milliseconds(20));
}

TEST_F(HandlerClockTest, WhatOthersHaveWorkedDoesNotCount) {
  clock_.Begin({});
  clock_.End();
  Work(milliseconds(40));
  clock_.Begin({});
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_LT(clock_.End(), milliseconds(10));
}

TEST_F(HandlerClockTest, OverTheBudgetEveryCallThrows) {
  clock_.Begin(milliseconds(5));
  clock_.Safepoint();
  Work(milliseconds(8));
  for (int i = 0; i < 2; ++i) {
    try {
      clock_.Safepoint();
      ADD_FAILURE() << "goes on";
    } catch (const OverLimit& over) {
      EXPECT_EQ(over.failure(), Hub::Failure::kOverBudget);
    }
  }
  clock_.End();
  clock_.Safepoint();
  clock_.Begin(milliseconds(5));
  clock_.Safepoint();
}

}  // namespace
}  // namespace dormouse
