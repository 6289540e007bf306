#include "statekeeper/classes/signal/protocol/pattern.h"

#include <gtest/gtest.h>

#include <chrono>

namespace dormouse::signal {
namespace {

using Syntax = AddressPattern::Syntax;

bool Matches(std::string_view pattern, std::string_view address, Syntax syntax = Syntax::kGlob) {
  std::string wrong;
  const auto parsed = AddressPattern::Parse(pattern, syntax, &wrong);
  EXPECT_TRUE(parsed.has_value()) << wrong;
  return parsed.has_value() && parsed->Matches(address);
}

TEST(PatternTest, Globs) {
  for (const Syntax syntax : {Syntax::kGlob, Syntax::kGlobOrRegex}) {
    EXPECT_TRUE(Matches("*", "browser/ui", syntax)) << "'*' crosses '/'";
    EXPECT_TRUE(Matches("browser/*", "browser/", syntax));
    EXPECT_TRUE(Matches("@(browser/*)", "browser/ui", syntax));
    EXPECT_TRUE(Matches("*/u?", "browser/ui", syntax));
    EXPECT_TRUE(Matches("?/x", "\xc3\xa9/x", syntax)) << "one character, not one byte";
    EXPECT_TRUE(Matches("*a*b*c", "xaxbxbc", syntax));
    EXPECT_TRUE(Matches("a/b.c", "a/b.c", syntax));
    EXPECT_FALSE(Matches("a/b.c", "a/bxc", syntax));
    EXPECT_FALSE(Matches("browser", "browser/ui", syntax)) << "the whole of it";
    EXPECT_FALSE(Matches("*/u?", "browser/u", syntax));
    EXPECT_FALSE(Matches("*a*b*c", "xaxbxb", syntax));
  }
  EXPECT_TRUE(Matches("a/(b|c)", "a/(b|c)", Syntax::kGlob)) << "0.1 knows no regex";
}

TEST(PatternTest, RegexesOfTheNewerDialect) {
  EXPECT_TRUE(Matches(R"(^@\(browser/.*\)$)", "browser/ui", Syntax::kGlobOrRegex)) << "the canonical form";
  EXPECT_TRUE(Matches("^browser/", "browser/ui", Syntax::kGlobOrRegex)) << "the bare form";
  EXPECT_TRUE(Matches("browser/(a|u)", "browser/ui", Syntax::kGlobOrRegex)) << "anywhere";
  EXPECT_TRUE(Matches("bro.*ui", "browser/ui", Syntax::kGlobOrRegex));
  EXPECT_FALSE(Matches("^browser/[0-9]+$", "browser/ui", Syntax::kGlobOrRegex));
}

TEST(PatternTest, WhatIsNoPatternIsRefusedWithAReason) {
  std::string wrong;
  EXPECT_FALSE(AddressPattern::Parse("(", Syntax::kGlobOrRegex, &wrong));
  EXPECT_NE(wrong, "");
  for (const std::string& text :
       {std::string(), std::string(513, 'a'), std::string("((a{1,1000}){1,1000}){1,1000}")}) {
    wrong.clear();
    EXPECT_FALSE(AddressPattern::Parse(text, Syntax::kGlobOrRegex, &wrong)) << text;
    EXPECT_NE(wrong, "") << text;
  }
}

TEST(PatternTest, PatternsThatExplodeElsewhereTakeNoTimeHere) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string address(256, 'a');
  EXPECT_FALSE(Matches("^(a+)+$b", address, Syntax::kGlobOrRegex));
  EXPECT_FALSE(Matches("(a|aa)*(a|aa)*(a|aa)*[c]$", address, Syntax::kGlobOrRegex));
  std::string stars;
  while (stars.size() < 500) stars += "*a";
  EXPECT_FALSE(Matches(stars + "b", address));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST(PatternTest, LiteralPrefixNarrowsTheSearch) {
  std::string wrong;
  EXPECT_EQ(AddressPattern::Parse("@(browser/u*)", Syntax::kGlob, &wrong)->literal_prefix(), "browser/u");
  EXPECT_EQ(AddressPattern::Parse("browser/ui", Syntax::kGlobOrRegex, &wrong)->literal_prefix(),
            "browser/ui");
  EXPECT_EQ(AddressPattern::Parse("*", Syntax::kGlob, &wrong)->literal_prefix(), "");
  EXPECT_EQ(AddressPattern::Parse("browser/u+", Syntax::kGlobOrRegex, &wrong)->literal_prefix(), "");
}

}  // namespace
}  // namespace dormouse::signal
