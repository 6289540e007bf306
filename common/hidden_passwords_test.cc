#include "common/hidden_passwords.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

namespace dormouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Makes this program hide the passwords of its command line and show what is left of it.
constexpr char kShow[] = "--show-command-line";

TEST(HiddenPasswordsTest, InUrlsThatStandInATextSomewhere) {
  EXPECT_EQ(WithoutPasswords("--store=redis://us:secret@host:1/2 was\nnot expected"),
            "--store=redis://us:***@host:1/2 was\nnot expected");
  EXPECT_EQ(WithoutPasswords("rediss+cluster://:s3cr%40t@one:1,two:2"), "rediss+cluster://:***@one:1,two:2");
  EXPECT_EQ(WithoutPasswords(
                "redis+sentinel://u:secret@one/rooms?sentinel-user=s&sentinel-password=sec&wait-replicas=1"),
            "redis+sentinel://u:***@one/rooms?sentinel-user=s&sentinel-password=***&wait-replicas=1");
  EXPECT_EQ(WithoutPasswords("redis+unix://u:secret@/run/s.sock"), "redis+unix://u:***@/run/s.sock");
}

TEST(HiddenPasswordsTest, AlsoWhereTheyAreNotWrittenAsTheyShouldBe) {
  EXPECT_THAT(WithoutPasswords("redis://u:sec@ret@host"), Not(HasSubstr("ret@")));
  EXPECT_THAT(WithoutPasswords("redis://u:sec/ret@host"), Not(HasSubstr("ret")));
  EXPECT_THAT(WithoutPasswords("redis://u:sec:ret@host"), Not(HasSubstr("ret")));
}

TEST(HiddenPasswordsTest, WhatIsNoPasswordStays) {
  for (const char* text : {"redis://host:6379/0", "redis://user@host:1", "file:/var/lib/d:x@y.db", "",
                           "a  b ", "http://[::1]:80/x?y=z"}) {
    EXPECT_EQ(WithoutPasswords(text), text);
  }
}

TEST(HiddenPasswordsTest, InTheCommandLine) {
  // Quoted, as the shell that runs it wants it.
  const std::string command =
      std::filesystem::read_symlink("/proc/self/exe").string() + " " + kShow +
      " --store 'redis://u:s3cret@h:1' --set 'store=redis://u:s@h' --store=redis://:lo0ng@h after";
  const std::unique_ptr<FILE, int (*)(FILE*)> shown(popen(command.c_str(), "r"), pclose);
  ASSERT_NE(shown, nullptr);
  std::string text;
  for (int byte = std::fgetc(shown.get()); byte != EOF; byte = std::fgetc(shown.get())) {
    text.push_back(byte == 0 ? ' ' : static_cast<char>(byte));
  }
  EXPECT_THAT(text, HasSubstr(std::string(kShow) + " --store redis://u:***@h:1"));
  EXPECT_THAT(text, HasSubstr("--store=redis://:***@h"));
  EXPECT_THAT(text, HasSubstr(" after"));
  for (const char* password : {"s3cret", ":s@", "lo0ng"}) EXPECT_THAT(text, Not(HasSubstr(password)));
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string(dormouse::kShow)) {
    const bool hid = dormouse::HidePasswords(argc, argv);
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    std::cout << file.rdbuf();
    return hid ? 0 : 1;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
