#include "gateway/edge/door/static_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace dormouse::edge {
namespace {

class StaticFilesTest : public testing::Test {
 protected:
  StaticFilesTest() {
    Write("secret.txt", "outside");
    std::filesystem::create_directories(directory_ / "root/js");
    Write("root/index.html", "<html>");
    Write("root/js/app.js", "run()");
    Write("root/.hidden", "no");
  }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ / name) << content;
  }

  TempDir directory_;
};

TEST_F(StaticFilesTest, TheClientLibraryIsThereWhateverTheRoot) {
  std::filesystem::create_directories(directory_ / "shipped/dormouse");
  Write("shipped/dormouse/index.js", "the library");
  Write("shipped/page.html", "not the library");
  StaticFiles files(directory_ / "root", directory_ / "shipped");
  ASSERT_NE(files.Find("/dormouse/index.js"), nullptr);
  EXPECT_EQ(files.Find("/dormouse/index.js")->content, "the library");
  EXPECT_EQ(files.Find("/page.html"), nullptr);
  EXPECT_EQ(files.Find("/dormouse/../page.html"), nullptr);
  std::filesystem::create_directories(directory_ / "root/dormouse");
  Write("root/dormouse/index.js", "another");
  EXPECT_EQ(files.Find("/dormouse/index.js")->content, "another") << "one's own comes first";
}

TEST_F(StaticFilesTest, ServesFilesWithTheirTypes) {
  StaticFiles files(directory_ / "root");
  const StaticFiles::File* file = files.Find("/");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->content, "<html>");
  EXPECT_EQ(file->content_type, "text/html; charset=utf-8");
  file = files.Find("/js/%61pp.js");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->content, "run()");
  EXPECT_EQ(file->content_type, "text/javascript; charset=utf-8");
}

TEST_F(StaticFilesTest, StaysBelowTheRoot) {
  StaticFiles files(directory_ / "root");
  for (const char* path :
       {"/../secret.txt", "/js/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd",
        "/.hidden", "/js/", "/js", "/nothing", "/a%00b", "/..\\secret.txt", "", "index.html", "/%"}) {
    EXPECT_EQ(files.Find(path), nullptr) << path;
  }
}

TEST_F(StaticFilesTest, FollowsLinksInTheRoot) {
  std::filesystem::create_directories(directory_ / "library");
  Write("library/index.js", "export {}");
  std::filesystem::create_directory_symlink("../library", directory_ / "root/library");
  StaticFiles files(directory_ / "root");
  ASSERT_NE(files.Find("/library/index.js"), nullptr);
  EXPECT_EQ(files.Find("/library/index.js")->content, "export {}");
  EXPECT_EQ(files.Find("/library/../secret.txt"), nullptr);
}

TEST_F(StaticFilesTest, SeesAChangedFile) {
  StaticFiles files(directory_ / "root");
  EXPECT_EQ(files.Find("/")->content, "<html>");
  Write("root/index.html", "<p>new");
  std::filesystem::last_write_time(directory_ / "root/index.html",
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(files.Find("/")->content, "<p>new");
}

TEST_F(StaticFilesTest, WithoutARootThereAreNoFiles) { EXPECT_EQ(StaticFiles("").Find("/"), nullptr); }

}  // namespace
}  // namespace dormouse::edge
