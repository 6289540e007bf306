#include "common/http/request_target.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

// "AUTHORITY PATH QUERY", or the sentence.
std::string Read(std::string_view text, std::string_view method = "GET") {
  RequestTarget target;
  if (const char* wrong = ReadTarget(method, text, &target)) return wrong;
  std::string shown(target.authority);
  return shown.append(" ").append(target.path).append(" ").append(target.query);
}

TEST(RequestTarget, IsAPath) {
  EXPECT_EQ(Read("/"), " / ");
  EXPECT_EQ(Read("/a/b?c=/d?e"), " /a/b c=/d?e");
  EXPECT_EQ(Read("/?"), " / ");
  EXPECT_EQ(Read("//a/b"), " //a/b ") << "no host: it begins with a slash";
  EXPECT_EQ(Read("/%zz%"), " /%zz% ") << "for whoever decodes it";
  EXPECT_EQ(Read("/{a}|^"), " /{a}|^ ") << "as browsers write it";
}

TEST(RequestTarget, IsAWholeAddress) {
  EXPECT_EQ(Read("http://a/b?c"), "a /b c");
  EXPECT_EQ(Read("WSS://a:1"), "a:1 / ");
  EXPECT_EQ(Read("https://[::1]:1//b"), "[::1]:1 //b ");
  EXPECT_EQ(Read("ws://a?b/c"), "a / b/c");
  for (const char* text :
       {"http://", "http:///a", "http://:80/", "http://a@b/", "http://a b/", "http://[x]/", "http://?a"})
    EXPECT_NE(Read(text).find(".\n"), std::string::npos) << text;
}

TEST(RequestTarget, IsTheServerForOptionsAlone) {
  EXPECT_EQ(Read("*", "OPTIONS"), " * ");
  EXPECT_EQ(Read("http://a:1", "OPTIONS"), "a:1 * ");
  EXPECT_EQ(Read("http://a:1/", "OPTIONS"), "a:1 / ");
  EXPECT_EQ(Read("http://a?", "OPTIONS"), "a / ");
  EXPECT_EQ(Read("*"), "Only OPTIONS may ask for *; send a path.\n");
}

TEST(RequestTarget, IsNothingElse) {
  for (const char* text :
       {"", "a", "a:443", "?a", "*a", "ftp://a/", "mailto:a", "/a b", "/a\x01", "/a\x7f", "/a#b", "#"})
    EXPECT_NE(Read(text).find(".\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace dormouse
