#include "statekeeper/classes/worker/worker_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace dormouse {
namespace {

class WorkerOutputTest : public testing::Test {
 protected:
  WorkerOutputTest() { EXPECT_EQ(pipe2(log_.data(), O_CLOEXEC), 0); }
  ~WorkerOutputTest() override {
    for (const int end : log_) close(end);
  }
  std::string Logged() const {
    std::array<char, 64u << 10> buffer{};
    const ssize_t got = read(log_[0], buffer.data(), buffer.size());
    return {buffer.data(), got > 0 ? static_cast<size_t>(got) : 0};
  }
  static void Say(const WorkerOutput& output, const std::string& text) {
    ASSERT_EQ(write(output.write_end(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  std::array<int, 2> log_{-1, -1};
};

TEST_F(WorkerOutputTest, PassesLinesOnWholeAndKeepsTheEnd) {
  WorkerOutput output(log_[1]);
  Say(output, "one\ntw");
  EXPECT_EQ(Logged(), "one\n");
  Say(output, "o\nthree");
  EXPECT_EQ(Logged(), "two\n");
  output.CloseWriteEnd();
  EXPECT_EQ(output.End(), "one\ntwo\nthree");
  EXPECT_EQ(Logged(), "three");
}

TEST_F(WorkerOutputTest, KeepsSoMuchAndNoMore) {
  WorkerOutput output(log_[1]);
  Say(output, std::string(3'000, 'a') + "the end\n\n");
  output.CloseWriteEnd();
  const std::string end = output.End();
  EXPECT_EQ(end.size(), WorkerOutput::kKept - 2);
  EXPECT_THAT(end, testing::EndsWith("the end"));
}

TEST_F(WorkerOutputTest, EndsThoughSomebodyHoldsTheOtherEnd) {
  int held = -1;
  {
    WorkerOutput output(log_[1]);
    held = dup(output.write_end());
    Say(output, "before\n");
  }
  EXPECT_EQ(Logged(), "before\n");
  close(held);
}

}  // namespace
}  // namespace dormouse
