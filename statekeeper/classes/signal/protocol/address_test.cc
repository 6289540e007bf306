#include "statekeeper/classes/signal/protocol/address.h"

#include <gtest/gtest.h>

namespace dormouse::signal {
namespace {

TEST(AddressTest, BothFormsNameTheSameActor) {
  EXPECT_EQ(Address::Parse("browser/ui"), (Address{"browser/ui", false}));
  EXPECT_EQ(Address::Parse("@(browser/ui)"), (Address{"browser/ui", true}));
  EXPECT_EQ(Address::Parse("@(browser/ui"), (Address{"@(browser/ui", false}));
}

TEST(AddressTest, IsWrittenInItsForm) {
  for (const char* text : {"browser/ui", "@(browser/ui)", "a b/\xc3\xa9"})
    EXPECT_EQ(Address::Parse(text)->ToString(), text);
  EXPECT_EQ((Address{"a\"b", true}.ToJson()), "\"@(a\\\"b)\"");
}

TEST(AddressTest, RefusesWhatWouldNotFitAKey) {
  EXPECT_TRUE(Address::Parse(std::string(256, 'a')));
  EXPECT_TRUE(Address::Parse("@(" + std::string(256, 'a') + ")"));
  for (const std::string& wrong : {std::string(), std::string("@()"), std::string(257, 'a'),
                                   std::string("a\nb"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(Address::Parse(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace dormouse::signal
