#include "statekeeper/classes/signal/protocol/topic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A set of patterns that counts the questions.
struct Patterns {
  std::set<std::string> all;
  size_t asked = 0;

  std::vector<std::string> Matching(const std::string& topic) {
    asked = 0;
    const PatternTree tree{[&](const std::string& pattern) {
                             ++asked;
                             return all.contains(pattern);
                           },
                           [&](const std::string& prefix) {
                             ++asked;
                             const auto below = all.lower_bound(prefix + "/");
                             return below != all.end() && below->starts_with(prefix + "/");
                           }};
    return MatchingPatterns(topic, tree);
  }
};

TEST(WildcardTest, PlusIsExactlyOneLevel) {
  Patterns patterns{{"+", "a/+", "+/b", "a/+/c", "+/+", "/+"}};
  EXPECT_THAT(patterns.Matching("a"), ElementsAre("+"));
  EXPECT_THAT(patterns.Matching("a/b"), UnorderedElementsAre("a/+", "+/b", "+/+"));
  EXPECT_THAT(patterns.Matching("a/b/c"), ElementsAre("a/+/c"));
  EXPECT_THAT(patterns.Matching("/b"), UnorderedElementsAre("+/b", "+/+", "/+")) << "an empty level is one";
  EXPECT_THAT(patterns.Matching("a//c"), ElementsAre("a/+/c"));
  EXPECT_THAT(patterns.Matching("a/b/c/d"), IsEmpty());
}

TEST(WildcardTest, HashIsTheRestAndTheParent) {
  Patterns patterns{{"#", "a/#", "a/b/#", "+/b/#", "b/#"}};
  EXPECT_THAT(patterns.Matching("a"), UnorderedElementsAre("#", "a/#"));
  EXPECT_THAT(patterns.Matching("a/b"), UnorderedElementsAre("#", "a/#", "a/b/#", "+/b/#"));
  EXPECT_THAT(patterns.Matching("a/b/c/d/e/f/g/h/i/j"), UnorderedElementsAre("#", "a/#", "a/b/#", "+/b/#"));
  EXPECT_THAT(patterns.Matching("ab"), ElementsAre("#"));
}

TEST(WildcardTest, AsksForWhatCanMatchOnly) {
  Patterns patterns;
  for (int i = 0; i < 10'000; ++i) {
    patterns.all.insert("+/x" + std::to_string(i));
    patterns.all.insert("a/b/x" + std::to_string(i) + "/#");
  }
  EXPECT_THAT(patterns.Matching("a/b/x77/c"), ElementsAre("a/b/x77/#"));
  EXPECT_LE(patterns.asked, 30u);
}

TEST(WildcardTest, EvenTheWorstTreeIsBounded) {
  Patterns patterns;
  for (size_t bits = 0; bits < 1u << kMaxWildcardLevels; ++bits) {
    std::string pattern;
    for (size_t level = 0; level < kMaxWildcardLevels; ++level) {
      pattern.append(level == 0 ? "" : "/").append((bits >> level & 1) != 0 ? "+" : "a");
    }
    patterns.all.insert(pattern);
    patterns.all.insert(pattern.substr(0, pattern.size() - 1) + "#");
  }
  std::string topic = "a/a/a/a/a/a/a/a";
  EXPECT_EQ(patterns.Matching(topic).size(), 256u + 128u) << "the plain topic stands in for a pattern here";
  EXPECT_LE(patterns.asked, 2000u);
  for (int i = 0; i < 100; ++i) topic += "/a";
  EXPECT_EQ(patterns.Matching(topic).size(), 128u);
  EXPECT_LE(patterns.asked, 2000u);
}

TEST(WildcardTest, Syntax) {
  for (const char* topic : {"+", "#", "a/+", "a/#", "+/+/#", "/+", "a//#", "a/b/c/d/e/f/g/+"}) {
    EXPECT_EQ(WrongWithWildcards(topic), "") << topic;
  }
  EXPECT_THAT(WrongWithWildcards("a+"), HasSubstr("alone"));
  EXPECT_THAT(WrongWithWildcards("a/b#"), HasSubstr("alone"));
  EXPECT_THAT(WrongWithWildcards("++"), HasSubstr("alone"));
  EXPECT_THAT(WrongWithWildcards("#/a"), HasSubstr("last"));
  EXPECT_THAT(WrongWithWildcards("1/2/3/4/5/6/7/8/+"), HasSubstr("8 levels"));
  EXPECT_THAT(WrongWithWildcards("a b/+"), HasSubstr("characters"));
  EXPECT_THAT(WrongWithWildcards("+/" + std::string(255, 'x')), HasSubstr("long"));
}

TEST(TopicTest, NamesAreOfFewCharacters) {
  for (const std::string& topic : {std::string("a"), std::string("A/b_c-9"), std::string(256, 'x')}) {
    EXPECT_TRUE(IsValidTopic(topic)) << topic;
  }
  for (const std::string& topic : {std::string(), std::string(257, 'x'), std::string("a b"),
                                   std::string("a+"), std::string("#"), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(IsValidTopic(topic)) << topic;
  }
}

}  // namespace
}  // namespace dormouse::signal
