#include "statekeeper/classes/signal/pattern.h"

#include <gtest/gtest.h>

#include <chrono>

namespace dormouse::signal {
namespace {

bool Matches(std::string_view pattern, std::string_view address, Dialect dialect = DIALECT_0_1) {
  std::string wrong;
  const auto parsed = AddressPattern::Parse(pattern, dialect, &wrong);
  EXPECT_TRUE(parsed.has_value()) << wrong;
  return parsed.has_value() && parsed->Matches(address);
}

TEST(PatternTest, Globs) {
  for (const Dialect dialect : {DIALECT_0_1, DIALECT_1_0}) {
    EXPECT_TRUE(Matches("*", "browser/ui", dialect)) << "'*' crosses '/'";
    EXPECT_TRUE(Matches("browser/*", "browser/", dialect));
    EXPECT_TRUE(Matches("@(browser/*)", "browser/ui", dialect));
    EXPECT_TRUE(Matches("*/u?", "browser/ui", dialect));
    EXPECT_TRUE(Matches("?/x", "\xc3\xa9/x", dialect)) << "one character, not one byte";
    EXPECT_TRUE(Matches("*a*b*c", "xaxbxbc", dialect));
    EXPECT_TRUE(Matches("a/b.c", "a/b.c", dialect));
    EXPECT_FALSE(Matches("a/b.c", "a/bxc", dialect));
    EXPECT_FALSE(Matches("browser", "browser/ui", dialect)) << "the whole of it";
    EXPECT_FALSE(Matches("*/u?", "browser/u", dialect));
    EXPECT_FALSE(Matches("*a*b*c", "xaxbxb", dialect));
  }
  EXPECT_TRUE(Matches("a/(b|c)", "a/(b|c)", DIALECT_0_1)) << "0.1 knows no regex";
}

TEST(PatternTest, RegexesOfTheNewerDialect) {
  EXPECT_TRUE(Matches(R"(^@\(browser/.*\)$)", "browser/ui", DIALECT_1_0)) << "the canonical form";
  EXPECT_TRUE(Matches("^browser/", "browser/ui", DIALECT_1_0)) << "the bare form";
  EXPECT_TRUE(Matches("browser/(a|u)", "browser/ui", DIALECT_1_0)) << "anywhere";
  EXPECT_TRUE(Matches("bro.*ui", "browser/ui", DIALECT_1_0));
  EXPECT_FALSE(Matches("^browser/[0-9]+$", "browser/ui", DIALECT_1_0));
}

TEST(PatternTest, WhatIsNoPatternIsRefusedWithAReason) {
  std::string wrong;
  EXPECT_FALSE(AddressPattern::Parse("(", DIALECT_1_0, &wrong));
  EXPECT_NE(wrong, "");
  for (const std::string& text :
       {std::string(), std::string(513, 'a'), std::string("((a{1,1000}){1,1000}){1,1000}")}) {
    wrong.clear();
    EXPECT_FALSE(AddressPattern::Parse(text, DIALECT_1_0, &wrong)) << text;
    EXPECT_NE(wrong, "") << text;
  }
}

TEST(PatternTest, PatternsThatExplodeElsewhereTakeNoTimeHere) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string address(256, 'a');
  EXPECT_FALSE(Matches("^(a+)+$b", address, DIALECT_1_0));
  EXPECT_FALSE(Matches("(a|aa)*(a|aa)*(a|aa)*[c]$", address, DIALECT_1_0));
  std::string stars;
  while (stars.size() < 500) stars += "*a";
  EXPECT_FALSE(Matches(stars + "b", address));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST(PatternTest, LiteralPrefixNarrowsTheSearch) {
  std::string wrong;
  EXPECT_EQ(AddressPattern::Parse("@(browser/u*)", DIALECT_0_1, &wrong)->literal_prefix(), "browser/u");
  EXPECT_EQ(AddressPattern::Parse("browser/ui", DIALECT_1_0, &wrong)->literal_prefix(), "browser/ui");
  EXPECT_EQ(AddressPattern::Parse("*", DIALECT_0_1, &wrong)->literal_prefix(), "");
  EXPECT_EQ(AddressPattern::Parse("browser/u+", DIALECT_1_0, &wrong)->literal_prefix(), "");
}

}  // namespace
}  // namespace dormouse::signal
