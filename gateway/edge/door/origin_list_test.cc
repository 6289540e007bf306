#include "gateway/edge/door/origin_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

OriginList List(const std::vector<std::string>& origins) {
  std::string wrong;
  auto list = OriginList::Parse(origins, &wrong);
  EXPECT_EQ(wrong, "");
  return list.value_or(OriginList());
}

TEST(OriginList, AnEmptyOneAdmitsEverybody) {
  EXPECT_TRUE(List({}).Admits("https://anywhere.example"));
  EXPECT_TRUE(List({}).Admits("null"));
}

TEST(OriginList, WhatIsNoBrowserPasses) { EXPECT_TRUE(List({"https://app.example"}).Admits(std::nullopt)); }

TEST(OriginList, AnOriginIsSchemeHostAndPort) {
  const OriginList list = List({"https://App.example", "http://localhost:3000", "http://[::1]:8080"});
  EXPECT_TRUE(list.Admits("https://app.example"));
  EXPECT_TRUE(list.Admits("HTTPS://APP.EXAMPLE"));
  EXPECT_TRUE(list.Admits("https://app.example:443")) << "the scheme's own port";
  EXPECT_TRUE(list.Admits("http://localhost:3000"));
  EXPECT_TRUE(list.Admits("http://[::1]:8080"));
  for (const char* other :
       {"http://app.example", "https://app.example:8443", "https://app.example.evil.example",
        "https://evil-app.example", "https://sub.app.example", "http://localhost", "http://localhost:30000",
        "null", "", "https://", "https://app.example/path", "https://user@app.example", "http://[::1]",
        "https://app.example:443:443"}) {
    EXPECT_FALSE(list.Admits(other)) << other;
  }
}

TEST(OriginList, AWildcardStandsForAllSubdomains) {
  const OriginList list = List({"https://*.example.com", "http://*.test:8080"});
  EXPECT_TRUE(list.Admits("https://a.example.com"));
  EXPECT_TRUE(list.Admits("https://a.b.EXAMPLE.com"));
  EXPECT_TRUE(list.Admits("http://a.test:8080"));
  for (const char* other : {"https://example.com", "https://.example.com", "https://evilexample.com",
                            "http://a.example.com", "https://a.example.com:444", "https://*.example.com",
                            "https://a.example.com.evil.example", "http://a.test"}) {
    EXPECT_FALSE(list.Admits(other)) << other;
  }
}

TEST(OriginList, SaysWhichEntryIsWrong) {
  for (const char* text : {"app.example", "https://", "https://*", "https://*.", "https://a.example/", "*",
                           "null", "https://a.*.example", "https://a.example:", "://a", "https://a b"}) {
    std::string wrong;
    EXPECT_FALSE(OriginList::Parse({"https://good.example", text}, &wrong).has_value()) << text;
    EXPECT_THAT(wrong, testing::HasSubstr("--allowed-origins: '" + std::string(text) + "'"));
  }
}

}  // namespace
}  // namespace dormouse::edge
