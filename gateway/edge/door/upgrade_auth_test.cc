#include "gateway/edge/door/upgrade_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kGood(FakeAuthority::kGood);
const std::string kBad(FakeAuthority::kBad);

// "ok ACTOR", or the refusal: "STATUS CHALLENGE BODY".
std::string Check(const std::string& headers) {
  const std::string head = "GET /ws?token=" + kGood + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << head << refusal.body;
  const auto offered = ReadOfferedProtocols(request);
  EXPECT_TRUE(offered.has_value());
  const FakeAuthority authority{};
  const auto result = UpgradeAuth(authority).Check(request, *offered, 0);
  if (const auto* claims = std::get_if<TokenClaims>(&result)) return "ok " + claims->actor;
  const auto& reply = std::get<HttpReply>(result);
  EXPECT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].first, "WWW-Authenticate");
  EXPECT_EQ(std::count(reply.body.begin(), reply.body.end(), '\n'), 1) << "one line";
  return std::to_string(reply.status) + " " + reply.headers[0].second + " " + reply.body;
}

TEST(UpgradeAuth, TakesATokenFromEitherPlace) {
  EXPECT_EQ(Check("Authorization: Bearer " + kGood + "\r\n"), "ok test/good");
  EXPECT_EQ(Check("authorization: bearer  " + kGood + "\r\n"), "ok test/good");
  EXPECT_EQ(Check("Sec-WebSocket-Protocol: dormouse, bearer." + kGood + "\r\n"), "ok test/good");
  EXPECT_EQ(Check("Authorization: Basic YTpi\r\nSec-WebSocket-Protocol: bearer." + kGood + "\r\n"),
            "ok test/good");
}

TEST(UpgradeAuth, AsksForATokenWhereThereIsNone) {
  for (const std::string headers :
       {"", "Authorization: Basic YTpi\r\n", "Sec-WebSocket-Protocol: dormouse\r\n"}) {
    const std::string refusal = Check(headers);
    EXPECT_THAT(refusal, testing::StartsWith("401 Bearer realm=\"dormouse\" ")) << headers;
    EXPECT_THAT(refusal, Not(HasSubstr("error="))) << "RFC 6750, 3: no error where nothing was given";
    EXPECT_THAT(refusal, HasSubstr("Authorization: Bearer TOKEN"));
  }
}

TEST(UpgradeAuth, RefusesABadTokenWithoutRepeatingIt) {
  for (const std::string& headers :
       {"Authorization: Bearer " + kBad + "\r\n", "Sec-WebSocket-Protocol: bearer." + kBad + "\r\n",
        std::string("Authorization: Bearer \t\r\nSec-WebSocket-Protocol: bearer.\r\n")}) {
    const std::string refusal = Check(headers);
    EXPECT_THAT(refusal, HasSubstr("error=\"invalid_token\" The token is not good.")) << headers;
    EXPECT_THAT(refusal, testing::StartsWith("401 "));
    EXPECT_THAT(refusal, Not(HasSubstr(kBad)));
  }
}

TEST(UpgradeAuth, OneTokenIsEnough) {
  const std::string twice =
      Check("Authorization: Bearer " + kGood + "\r\nSec-WebSocket-Protocol: bearer." + kBad + "\r\n");
  EXPECT_THAT(twice, testing::StartsWith("400 "));
  EXPECT_THAT(twice, HasSubstr("error=\"invalid_request\""));
}

}  // namespace
}  // namespace dormouse::edge
