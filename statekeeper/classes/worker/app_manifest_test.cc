#include "statekeeper/classes/worker/app_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AppManifestTest : public testing::Test {
 protected:
  std::optional<AppManifest> Read(const std::string& text) {
    std::ofstream(directory_ + "/workers.json") << text;
    return AppManifest::Read(directory_, &error_);
  }

  const TempDir made_;
  const std::string directory_ = std::filesystem::canonical(made_.path());
  std::string error_;
};

TEST_F(AppManifestTest, SaysWhatRunsTheCodeAndWhichClassesThereAre) {
  const auto app = Read(R"({"name": "chat", "version": "v1", "command": ["node", "host.mjs"], "http": true,
      "environment": {"A": "1"}, "bindings": {"ignored": []},
      "classes": [{"name": "ChatRoom", "routes": ["/ws/{name}"], "max_message_size": 1000}, {"name": "_$."}]})");
  ASSERT_TRUE(app.has_value()) << error_;
  EXPECT_EQ(app->name, "chat");
  EXPECT_EQ(app->version, "v1");
  EXPECT_THAT(app->command, ElementsAre("node", "host.mjs"));
  EXPECT_THAT(app->environment, ElementsAre(std::pair<std::string, std::string>("A", "1")));
  EXPECT_TRUE(app->http);
  EXPECT_EQ(app->directory, directory_);
  ASSERT_EQ(app->classes.size(), 2u);
  EXPECT_THAT(app->classes[0].routes, ElementsAre("/ws/{name}"));
  EXPECT_EQ(app->classes[0].max_message_size, 1000u);
  EXPECT_EQ(app->classes[1].max_message_size, 32u << 20);
}

TEST_F(AppManifestTest, ASymbolicLinkIsResolvedSoThatARunningWorkerKeepsItsDirectory) {
  const std::string link = directory_ + "/link";
  std::filesystem::create_directory(directory_ + "/real");
  std::filesystem::create_directory_symlink(directory_ + "/real", link);
  std::ofstream(directory_ + "/real/workers.json") << R"({"version": "1", "command": ["x"], "classes": []})";
  const auto app = AppManifest::Read(link, &error_);
  ASSERT_TRUE(app.has_value()) << error_;
  EXPECT_EQ(app->directory, directory_ + "/real");
  EXPECT_FALSE(app->http);
}

TEST_F(AppManifestTest, WhatIsWrongIsSaidWithTheFilesName) {
  const std::string rest = R"("version": "1", "command": ["x"], "classes": )";
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "not a JSON object"},
      {"  ", "not a JSON object"},
      {"[]", "not a JSON object"},
      {R"({"command": ["x"], "classes": []})", "\"version\" is missing"},
      {R"({"version": "1", "command": [], "classes": []})", "\"command\""},
      {R"({"version": "1", "command": [1], "classes": []})", "\"command\""},
      {R"({"version": "1", "command": ["x"]})", "\"classes\""},
      {R"({"environment": {"A": 1}, )" + rest + "[]}", "\"environment\""},
      {"{" + rest + R"([{"name": "a b"}]})", "\"name\""},
      {"{" + rest + R"([{"name": "A"}, {"name": "A"}]})", "twice"},
      {"{" + rest + R"([{"name": "A", "routes": "/"}]})", "\"routes\""},
      {"{" + rest + R"([{"name": "A", "max_message_size": 33554433}]})", "\"max_message_size\""},
      {"{" + rest + R"([{"name": "A", "max_message_size": "1"}]})", "\"max_message_size\""},
  };
  for (const auto& [text, part] : wrong) {
    EXPECT_FALSE(Read(text).has_value()) << text;
    EXPECT_THAT(error_, HasSubstr(part)) << text;
    EXPECT_THAT(error_, HasSubstr("workers.json")) << text;
  }
}

TEST_F(AppManifestTest, ADirectoryWithoutItIsNoApp) {
  EXPECT_FALSE(AppManifest::Read(directory_, &error_).has_value());
  EXPECT_THAT(error_, HasSubstr("workers.json"));
  EXPECT_FALSE(AppManifest::Read(directory_ + "/none", &error_).has_value());
  EXPECT_THAT(error_, HasSubstr("none"));
}

}  // namespace
}  // namespace dormouse
