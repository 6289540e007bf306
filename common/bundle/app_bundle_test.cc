#include "common/bundle/app_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/temp_dir.h"
#include "proto/app.pb.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class AppBundleTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& content) {
    const fs::path file = fs::path(directory_ / "app") / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }
  static std::string Read(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static std::string Compressed(const app::Bundle& bundle) {
    const std::string plain = bundle.SerializeAsString();
    uLongf size = compressBound(plain.size());
    std::string packed(size, '\0');
    compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
             plain.size());
    packed.resize(size);
    return packed;
  }
  std::string Pack(const BundleLimits& limits = {}) {
    return PackBundle(directory_ / "app", limits, &error_);
  }
  bool Unpack(const std::string& bundle, const BundleLimits& limits = {}) {
    return UnpackBundle(bundle, directory_ / "out", limits, &error_);
  }
  static unsigned ModeOf(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  TempDir directory_;
  std::string error_;
};

TEST_F(AppBundleTest, WhatIsUnpackedIsWhatWasPackedForThisUserAlone) {
  Write("workers.json", R"({"version": "1"})");
  Write("assets/deep/page.html", std::string("\0bytes\xff", 7));
  fs::permissions(directory_ / "app/workers.json", fs::perms::all);
  const std::string bundle = Pack();
  ASSERT_NE(bundle, "") << error_;
  ASSERT_TRUE(Unpack(bundle)) << error_;
  EXPECT_EQ(Read(directory_ / "out/workers.json"), R"({"version": "1"})");
  EXPECT_EQ(Read(directory_ / "out/assets/deep/page.html"), std::string("\0bytes\xff", 7));
  EXPECT_EQ(ModeOf(directory_ / "out"), 0700u);
  EXPECT_EQ(ModeOf(directory_ / "out/assets/deep"), 0700u);
  EXPECT_EQ(ModeOf(directory_ / "out/workers.json"), 0700u);
  EXPECT_EQ(ModeOf(directory_ / "out/assets/deep/page.html"), 0600u);
}

TEST_F(AppBundleTest, IsNamedAfterItsContentAlone) {
  Write("b", "2");
  Write("a", "1");
  const std::string first = Pack();
  fs::last_write_time(directory_ / "app/a", fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(Pack(), first);
  Write("a", "3");
  EXPECT_NE(BundleName(BundleHash(Pack())), BundleName(BundleHash(first)));
  EXPECT_EQ(BundleName(BundleHash("abc")), "ba7816bf8f01cfea");
}

TEST_F(AppBundleTest, WhatIsTooLargeIsRefused) {
  Write("a", std::string(5'000, 'a'));
  Write("b", std::string(5'000, 'b'));
  EXPECT_EQ(Pack({.unpacked = 9'000}), "");
  EXPECT_THAT(error_, HasSubstr("larger than a version may be"));
  EXPECT_EQ(Pack({.bytes = 10}), "");
  EXPECT_EQ(Pack({.files = 1}), "");
  const std::string bundle = Pack();
  ASSERT_NE(bundle, "");
  EXPECT_FALSE(Unpack(bundle, {.bytes = 10}));
  EXPECT_FALSE(Unpack(bundle, {.files = 1}));
  EXPECT_FALSE(Unpack(bundle, {.unpacked = 100, .files = 2})) << "also where it was compressed well";
}

TEST_F(AppBundleTest, NothingGetsBeyondItsDirectory) {
  for (const char* path : {"../x", "/x", "a/../../x", "", ".", "a/./b", "a/"}) {
    app::Bundle bundle;
    bundle.add_files()->set_path(path);
    EXPECT_FALSE(Unpack(Compressed(bundle))) << path;
    fs::remove_all(directory_ / "out");
  }
  app::Bundle twice;
  twice.add_files()->set_path("a");
  twice.add_files()->set_path("a");
  EXPECT_FALSE(Unpack(Compressed(twice)));
}

TEST_F(AppBundleTest, ALinkIsRefused) {
  Write("a", "1");
  fs::create_symlink("/etc/hostname", directory_ / "app/link");
  EXPECT_EQ(Pack(), "");
  EXPECT_THAT(error_, HasSubstr("neither a file nor a directory"));
}

TEST_F(AppBundleTest, EveryTruncationIsRefused) {
  Write("a", "some text that is compressed");
  const std::string bundle = Pack();
  for (size_t size = 0; size < bundle.size(); ++size) {
    EXPECT_FALSE(Unpack(bundle.substr(0, size))) << size;
    fs::remove_all(directory_ / "out");
  }
}

}  // namespace
}  // namespace dormouse
