#include "gateway/edge/door/upgrade_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "gateway/edge/testing/fake_authority.h"
#include "proto/link.pb.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::Not;

class UpgradePolicyTest : public testing::Test {
 protected:
  UpgradePolicyTest() {
    link::ClassProfile profile;
    profile.set_name("room");
    profile.add_routes()->set_path("/room/{name}");
    router_.SetProfiles({profile});
  }
  // A good request but for `more` headers.
  std::variant<Upgrade, UpgradeRefusal> Judge(const UpgradePolicy& policy, const std::string& more = "",
                                              UpgradePolicy::State state = {},
                                              const std::string& line = "GET /room/a?x=1 HTTP/1.1") {
    head_ = line +
            "\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + more + "\r\n";
    HttpRequest request;
    HttpReply refusal;
    EXPECT_TRUE(ParseHttpRequest(head_, &request, &refusal)) << refusal.body;
    return policy.Judge(request, *IpAddress::Parse("192.0.2.7"), state);
  }
  std::variant<Upgrade, UpgradeRefusal> Judge(const std::string& more = "", UpgradePolicy::State state = {},
                                              const std::string& line = "GET /room/a?x=1 HTTP/1.1") {
    return Judge(UpgradePolicy(&router_, {}), more, state, line);
  }
  static std::pair<int, std::optional<RefusalCause>> Refused(
      const std::variant<Upgrade, UpgradeRefusal>& judged) {
    const auto& refusal = std::get<UpgradeRefusal>(judged);
    EXPECT_THAT(refusal.reply.body, testing::EndsWith(".\n"));
    return {refusal.reply.status, refusal.cause};
  }

  Router router_;
  std::string head_;
};

TEST_F(UpgradePolicyTest, SaysWhatTheSocketIsToBe) {
  const auto judged = Judge("Sec-WebSocket-Protocol: chat\r\nOrigin: https://app.example\r\n");
  const auto& upgrade = std::get<Upgrade>(judged);
  EXPECT_EQ(upgrade.hub_class->name(), "room");
  EXPECT_EQ(upgrade.hub, "room/a");
  EXPECT_EQ(upgrade.role, "");
  EXPECT_EQ(upgrade.deflate_window_bits, 0);
  EXPECT_THAT(upgrade.answer, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(upgrade.answer, HasSubstr("Sec-WebSocket-Protocol: chat\r\n"));
  link::OpenRequest open;
  ASSERT_TRUE(open.ParseFromString(upgrade.open_request));
  EXPECT_EQ(open.path(), "/room/a");
  EXPECT_EQ(open.query(), "x=1");
  EXPECT_EQ(open.remote_address(), "192.0.2.7");
  EXPECT_EQ(open.subprotocol(), "chat");
}

TEST_F(UpgradePolicyTest, SaysWhyNotAndWhereThatIsCounted) {
  using Refusal = std::pair<int, std::optional<RefusalCause>>;
  EXPECT_EQ(Refused(Judge("", {.is_stopping = true})), Refusal(503, RefusalCause::kStopping));
  EXPECT_EQ(Refused(Judge("", {.is_full = true})), Refusal(503, RefusalCause::kFull));
  EXPECT_EQ(Refused(Judge("", {}, "GET /nowhere HTTP/1.1")), Refusal(404, std::nullopt));
  EXPECT_EQ(Refused(Judge("", {}, "GET /room/.. HTTP/1.1")), Refusal(404, std::nullopt));
  EXPECT_EQ(Refused(Judge("", {}, "HEAD /room/a HTTP/1.1")), Refusal(400, std::nullopt));
  EXPECT_EQ(Refused(Judge("Content-Length: 5\r\n")), Refusal(400, std::nullopt));
  EXPECT_EQ(Refused(Judge("Sec-WebSocket-Protocol: a b\r\n")), Refusal(400, std::nullopt));
}

TEST_F(UpgradePolicyTest, UntilProfilesAreKnownNobodyComesIn) {
  const Router empty;
  EXPECT_EQ(Refused(Judge(UpgradePolicy(&empty, {}))).second, RefusalCause::kNotReady);
}

TEST_F(UpgradePolicyTest, ATokenGivesTheRoleAndAnOriginTheRight) {
  const FakeAuthority authority{};
  std::string wrong;
  UpgradePolicy policy(
      &router_, {.tokens = &authority, .origins = *OriginList::Parse({"https://app.example"}, &wrong)});
  const std::string token = "Authorization: Bearer " + std::string(FakeAuthority::kGood) + "\r\n";
  EXPECT_EQ(Refused(Judge(policy)).second, RefusalCause::kToken);
  EXPECT_EQ(std::get<Upgrade>(Judge(policy, token)).role, "board");
  const std::string other = "Origin: https://other.example\r\n";
  EXPECT_EQ(Refused(Judge(policy, token + other)).second, RefusalCause::kOrigin);
  policy.Change({});
  EXPECT_EQ(std::get<Upgrade>(Judge(policy, token + other)).role, "board") << "tokens stay asked for";
}

TEST_F(UpgradePolicyTest, CompressesWhereBothWantIt) {
  const std::string offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  EXPECT_THAT(std::get<Upgrade>(Judge(offer)).answer, Not(HasSubstr("Extensions")));
  const auto judged = Judge(UpgradePolicy(&router_, {.compression = true}), offer);
  EXPECT_EQ(std::get<Upgrade>(judged).deflate_window_bits, 15);
  EXPECT_THAT(std::get<Upgrade>(judged).answer, HasSubstr("Sec-WebSocket-Extensions: permessage-deflate"));
}

}  // namespace
}  // namespace dormouse::edge
