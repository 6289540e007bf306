#include "common/test_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "common/clock.h"
#include "common/temp_dir.h"

namespace dormouse {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kHourMs = 3'600'000;

class TestClockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write(0);
    setenv(kTestClockVariable, path_.c_str(), 1);
  }
  void TearDown() override { internal::test_clock = &internal::kNoTestClock; }

  void Write(int64_t ahead_ms) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    if (!file) file.open(path_, std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&ahead_ms), sizeof(ahead_ms));
  }

  const TempDir directory_;
  const std::string path_ = directory_.path() + "/clock";
};

TEST_F(TestClockTest, TheTimeOfDayJumpsAndTheSteadyClockDoesNot) {
  const int64_t before = WallMs();
  const int64_t steady = SteadyMs();
  ASSERT_EQ(UseTestClock("127.0.0.1:8080"), "");
  EXPECT_TRUE(HasTestClock());
  EXPECT_LT(WallMs(), before + kHourMs);
  Write(kHourMs);
  EXPECT_GE(WallMs(), before + kHourMs);
  Write(2 * kHourMs);
  EXPECT_GE(WallMs(), before + 2 * kHourMs);
  EXPECT_LT(WallMs(), before + 3 * kHourMs);
  EXPECT_LT(SteadyMs(), steady + kHourMs);
}

TEST_F(TestClockTest, WithoutTheVariableThereIsNone) {
  unsetenv(kTestClockVariable);
  EXPECT_EQ(UseTestClock("0.0.0.0:8080"), "");
  EXPECT_FALSE(HasTestClock());
  EXPECT_EQ(TestClockAheadMs(), 0);
}

TEST_F(TestClockTest, WhatOthersCanReachDoesNotStartWithIt) {
  for (const char* listen : {"0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080", "a.example:8080"}) {
    EXPECT_THAT(UseTestClock(listen), AllOf(HasSubstr(kTestClockVariable), HasSubstr(listen)));
  }
  EXPECT_FALSE(HasTestClock());
  for (const char* listen : {"", "127.0.0.1:8080", "localhost:8080", "[::1]:8080"})
    EXPECT_EQ(UseTestClock(listen), "");
}

TEST_F(TestClockTest, AFileThatIsNoneIsRefused) {
  std::ofstream(path_) << "1h";
  EXPECT_THAT(UseTestClock(""), HasSubstr("8 bytes"));
  setenv(kTestClockVariable, "/nowhere/clock", 1);
  EXPECT_THAT(UseTestClock(""), HasSubstr("No such file"));
  EXPECT_FALSE(HasTestClock());
}

}  // namespace
}  // namespace dormouse
