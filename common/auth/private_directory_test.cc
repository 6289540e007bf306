#include "common/auth/private_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "common/temp_dir.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PrivateDirectoryTest : public testing::Test {
 protected:
  std::string Why(const std::string& path) const {
    std::string wrong;
    const bool made = MakePrivateDirectory(path, &wrong);
    EXPECT_EQ(made, wrong.empty());
    return wrong;
  }
  TempDir directory_;
};

TEST_F(PrivateDirectoryTest, MakesItAndItsParents) {
  const std::string path = directory_ / "a/b/run";
  EXPECT_EQ(Why(path), "");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
  fs::permissions(path, fs::perms::all);
  EXPECT_EQ(Why(path), "");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
}

TEST_F(PrivateDirectoryTest, RefusesWhatOthersCanPutInItsPlace) {
  fs::create_directory(directory_ / "elsewhere");
  fs::create_directory_symlink(directory_ / "elsewhere", directory_ / "link");
  EXPECT_THAT(Why(directory_ / "link"), HasSubstr("it is no directory"));
  fs::create_directory(directory_ / "open");
  fs::permissions(directory_ / "open", fs::perms::all);
  EXPECT_THAT(Why(directory_ / "open/run"), HasSubstr("everybody can write to"));
  fs::permissions(directory_ / "open", fs::perms::all | fs::perms::sticky_bit);
  EXPECT_EQ(Why(directory_ / "open/run"), "");
}

TEST_F(PrivateDirectoryTest, RefusesAnotherUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make one";
  fs::create_directory(directory_ / "run");
  ASSERT_EQ(chown((directory_ / "run").c_str(), 65534, 65534), 0);
  EXPECT_THAT(Why(directory_ / "run"), HasSubstr("another user's"));
}

}  // namespace
}  // namespace dormouse
