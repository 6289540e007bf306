#include "statekeeper/apps/version_directories.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/temp_dir.h"
#include "statekeeper/apps/host_programs.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;

class VersionDirectoriesTest : public testing::Test {
 protected:
  std::unique_ptr<VersionDirectories> Make(const std::string& name) {
    std::string error;
    auto made = VersionDirectories::Make(parent_, name, &error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }

  TempDir directory_;
  const std::string parent_ = directory_ / "app-versions";
};

TEST_F(VersionDirectoriesTest, GoWithWhoeverHasThem) {
  auto one = Make("one");
  const std::string path = one->New("v1");
  fs::create_directory(path);
  EXPECT_NE(one->New("v1"), path) << "that one may be in use still";
  const auto two = Make("two");
  EXPECT_TRUE(fs::exists(path)) << "it is somebody's";
  one.reset();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(parent_ + "/two"));
}

TEST_F(VersionDirectoriesTest, WhatAKilledOneHasLeftGoesWithTheNextStart) {
  fs::create_directories(parent_ + "/killed/v1-1");
  const auto one = Make("one");
  EXPECT_FALSE(fs::exists(parent_ + "/killed"));
}

TEST_F(VersionDirectoriesTest, ManyThatStartAtOnceTakeNothingFromEachOther) {
  constexpr int kAtOnce = 4;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<VersionDirectories>> made(kAtOnce);
    std::vector<std::thread> threads;
    threads.reserve(kAtOnce);
    for (int i = 0; i < kAtOnce; ++i) threads.emplace_back([&, i] { made[i] = Make(std::to_string(i)); });
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < kAtOnce; ++i) ASSERT_TRUE(fs::exists(parent_ + "/" + std::to_string(i))) << round;
  }
}

TEST_F(VersionDirectoriesTest, TheLastFewThatWereInUseStay) {
  const auto one = Make("one");
  std::vector<std::string> paths;
  for (int i = 0; i < 5; ++i) {
    paths.push_back(one->New("v"));
    fs::create_directory(paths.back());
    one->Keep(paths.back());
  }
  EXPECT_FALSE(fs::exists(paths[1]));
  EXPECT_TRUE(fs::exists(paths[2]));
  EXPECT_TRUE(fs::exists(paths[4]));
}

TEST_F(VersionDirectoriesTest, HostProgramsAreThoseOfTheProgramsInstallation) {
  fs::create_directories(directory_ / "usr/share/dormouse/hubs");
  fs::create_directories(directory_ / "usr/bin");
  std::string looked;
  EXPECT_EQ(FindHostPrograms(directory_ / "usr/bin/dormouse-statekeeper", &looked),
            directory_ / "usr/share/dormouse/hubs");
  fs::create_directories(directory_ / "checkout/clients/hubs");
  fs::create_directories(directory_ / "checkout/build/release/bin");
  if (fs::exists("/usr/share/dormouse/hubs")) GTEST_SKIP() << "dormouse-hubs is installed here";
  EXPECT_EQ(FindHostPrograms(directory_ / "checkout/build/release/bin/dormouse-statekeeper", &looked),
            directory_ / "checkout/clients/hubs");
}

}  // namespace
}  // namespace dormouse
