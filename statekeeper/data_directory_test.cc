#include "statekeeper/data_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;

constexpr fs::perms kOpen = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                            fs::perms::others_read | fs::perms::others_exec;

class DataDirectoryTest : public testing::Test {
 protected:
  DataDirectoryTest() {
    fs::create_directory(path_);
    fs::permissions(path_, kOpen);
  }
  void Has(const std::string& name) const { std::ofstream(path_ / name) << "x"; }
  fs::perms mode() const { return fs::status(path_).permissions(); }

  TempDir directory_;
  const fs::path path_ = directory_ / "data";
};

TEST_F(DataDirectoryTest, AnEmptyOneIsClosed) {
  EXPECT_TRUE(CloseDataDirectory(path_));
  EXPECT_EQ(mode(), fs::perms::owner_all);
}

TEST_F(DataDirectoryTest, OneOfAnEarlierVersionIsClosed) {
  for (const char* name : {"dormouse.db", "dormouse.db-wal", "admin-key", "cluster-secret"}) Has(name);
  for (const char* name : {"run", "logs", "redis", "app"}) fs::create_directory(path_ / name);
  EXPECT_TRUE(CloseDataDirectory(path_));
  EXPECT_EQ(mode(), fs::perms::owner_all);
  EXPECT_TRUE(CloseDataDirectory(path_)) << "once more";
}

TEST_F(DataDirectoryTest, OneThatHoldsMoreIsLeftAsItIs) {
  Has("dormouse.db");
  Has("somebody's letters");
  EXPECT_FALSE(CloseDataDirectory(path_));
  EXPECT_EQ(mode(), kOpen);
}

TEST_F(DataDirectoryTest, NoneIsNotClosed) { EXPECT_FALSE(CloseDataDirectory(path_ / "none")); }

}  // namespace
}  // namespace dormouse
