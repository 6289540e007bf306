#include "statekeeper/classes/callback/callback_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CallbackSettingsTest : public testing::Test {
 protected:
  CallbackSettingsTest() : path_(testing::TempDir() + "/callbacks-" + std::to_string(getpid()) + ".toml") {}
  ~CallbackSettingsTest() override { std::remove(path_.c_str()); }
  std::optional<std::vector<CallbackSettings>> Read(const std::string& text) {
    std::ofstream(path_) << text;
    wrong_.clear();
    return ReadCallbacks(path_, &wrong_);
  }

  const std::string path_;
  std::string wrong_;
};

TEST_F(CallbackSettingsTest, EachTableIsAClass) {
  const auto all = Read(R"(
# Orders.
[orders]
url = "https://shop.example/hook?x=1"
secret-file = "orders-secret"
routes = ["/orders/{name}", "/o/{name}"]
events = ["connect", "message"]
timeout = "3s"
give-up-after = "0"
concurrency = 2
batch-events = 7
batch-bytes = "4KiB"

[chat]
url = "http://127.0.0.1:9/"
secret-file = "/etc/chat-secret"
)");
  ASSERT_TRUE(all.has_value()) << wrong_;
  ASSERT_EQ(all->size(), 2u);
  const CallbackSettings& orders = (*all)[0];
  EXPECT_EQ(orders.name, "orders");
  EXPECT_EQ(orders.url, "https://shop.example/hook?x=1");
  EXPECT_EQ(orders.secret_file, std::filesystem::path(path_).parent_path() / "orders-secret");
  EXPECT_THAT(orders.routes, ElementsAre("/orders/{name}", "/o/{name}"));
  EXPECT_TRUE(orders.connects && orders.messages && !orders.disconnects && !orders.timers);
  EXPECT_EQ(orders.timeout, Duration(3000));
  EXPECT_EQ(orders.give_up_after, Duration(0));
  EXPECT_EQ(orders.concurrency, 2u);
  EXPECT_EQ(orders.batch_events, 7u);
  EXPECT_EQ(orders.batch_bytes, 4096u);
  const CallbackSettings& chat = (*all)[1];
  EXPECT_EQ(chat.secret_file, "/etc/chat-secret");
  EXPECT_THAT(chat.routes, ElementsAre("/chat/{name}"));
  EXPECT_TRUE(chat.connects && chat.messages && chat.disconnects && chat.timers);
}

TEST_F(CallbackSettingsTest, WhatIsWrongIsASentence) {
  const std::string good = "[a]\nurl = \"http://x/\"\nsecret-file = \"s\"\n";
  const std::pair<std::string, std::string> wrongs[] = {
      {"", "no table"},
      {"url = \"http://x/\"\n", "in no table"},
      {"[a]\nsecret-file = \"s\"\n", "has no url"},
      {"[a]\nurl = \"http://x/\"\n", "has no secret-file"},
      {"[a]\nurl = \"file:///etc/passwd\"\n", "begins with https://"},
      {good + "timeuot = \"1s\"\n", "is it to be timeout?"},
      {good + "timeout = \"1h\"\n", "between"},
      {good + "concurrency = 0\n", "from 1 to 1000"},
      {good + "events = [\"connect\", \"open\"]\n", "no event 'open'"},
      {good + "routes = [\"a\"]\n", "does not begin with /"},
      {"[a/b]\nurl = \"http://x/\"\n", "tables are [NAME]"},
  };
  for (const auto& [text, sentence] : wrongs) {
    EXPECT_FALSE(Read(text).has_value()) << text;
    EXPECT_THAT(wrong_, HasSubstr(sentence)) << text;
    EXPECT_THAT(wrong_, HasSubstr("--callbacks: ")) << text;
  }
  EXPECT_FALSE(ReadCallbacks("/nowhere/at-all", &wrong_).has_value());
  EXPECT_THAT(wrong_, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace dormouse
