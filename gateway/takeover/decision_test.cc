#include "gateway/takeover/decision.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

namespace dormouse::takeover {
namespace {

TEST(DecisionTest, WhoIsFirstDecidesAndTheOtherHearsOfIt) {
  const auto old_one = Decision::Make();
  ASSERT_NE(old_one, nullptr);
  const auto new_one = Decision::Of(dup(old_one->fd()));
  ASSERT_NE(new_one, nullptr);
  EXPECT_FALSE(old_one->is_taken());
  EXPECT_TRUE(new_one->Take());
  EXPECT_TRUE(old_one->is_taken());
  EXPECT_FALSE(old_one->Withdraw());
  EXPECT_TRUE(new_one->Take()) << "what it has decided it may decide again";

  const auto other = Decision::Make();
  EXPECT_TRUE(other->Withdraw());
  EXPECT_FALSE(Decision::Of(dup(other->fd()))->Take());
}

TEST(DecisionTest, OfTwoAtTheSameMomentExactlyOneWins) {
  for (int i = 0; i < 50; ++i) {
    const auto word = Decision::Make();
    const auto other = Decision::Of(dup(word->fd()));
    std::atomic<int> ready{0};
    bool taken = false;
    std::thread taker([&] {
      ++ready;
      while (ready < 2) {
      }
      taken = other->Take();
    });
    ++ready;
    while (ready < 2) {
    }
    const bool withdrawn = word->Withdraw();
    taker.join();
    EXPECT_NE(taken, withdrawn);
  }
}

TEST(DecisionTest, OutlivesTheProcessThatMadeIt) {
  const auto word = Decision::Make();
  const pid_t child = fork();
  if (child == 0) {
    const auto mine = Decision::Of(dup(word->fd()));
    mine->Take();
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(word->Withdraw());
}

TEST(DecisionTest, AnotherDescriptorIsNone) {
  EXPECT_EQ(Decision::Of(dup(STDIN_FILENO)), nullptr);
  const int empty = memfd_create("empty", MFD_CLOEXEC);
  EXPECT_EQ(Decision::Of(empty), nullptr);
}

}  // namespace
}  // namespace dormouse::takeover
