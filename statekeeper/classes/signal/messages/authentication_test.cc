// Who may do what, where tokens are asked for; in both dialects and both forms of address.
#include "statekeeper/classes/signal/messages/authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/auth/testing/token_maker.h"
#include "common/auth/token_authority.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/testing/frame.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int64_t kNow = FakeContext::kStart;
constexpr int64_t kHour = 3'600'000;
constexpr auto kHs256 = TokenAlgorithm::kHs256;

struct Style {
  bool legacy = false;     // dialect 0.1
  bool canonical = false;  // @(...)
};

class AuthenticationTest : public testing::TestWithParam<Style> {
 protected:
  AuthenticationTest() {
    options_.auth_algorithm = "HS256";
    options_.auth_key = files_.Write("secret", key_.secret());
    StartHub();
  }
  // A new hub, by options_.
  void StartHub() {
    hub_.reset();
    class_.reset();
    std::string wrong;
    authority_ = options_.auth_algorithm == "none" ? nullptr : NewTokenAuthority(options_, &wrong);
    EXPECT_EQ(wrong, "");
    class_ = NewSignalClass(options_, authority_.get());
    hub_ = std::make_unique<FakeContext>(*class_);
  }
  void StartOpenHub() {
    options_.auth_algorithm = "none";
    StartHub();
  }

  bool legacy() const { return GetParam().legacy; }
  std::string A(const std::string& bare) const { return GetParam().canonical ? "@(" + bare + ")" : bare; }
  std::string Q(const std::string& bare) const { return JsonQuoted(A(bare)); }

  std::string Token(const Claims& claims) const { return MakeToken(key_, kHs256, claims); }
  std::string TokenOf(const std::string& actor, const std::string& actors = "",
                      const std::string& capabilities = "") const {
    Claims claims = GoodClaims(hub_->now_ms(), actor);
    if (!actors.empty()) claims["actors"] = actors;
    if (!capabilities.empty()) claims["capabilities"] = capabilities;
    return Token(claims);
  }

  std::vector<Frame> Frames(const ConnectionId& client) {
    std::vector<Frame> frames;
    for (std::string& text : hub_->TakeFrames(client)) frames.push_back({std::move(text)});
    return frames;
  }
  // The one answer; `from`: bare.
  Frame Ask(const ConnectionId& client, const std::string& type, const std::string& from,
            const std::string& payload, const std::string& more = "") {
    hub_->ClientSends(client, R"({"id":"m1","type":")" + type + R"(","from":)" + Q(from) +
                                  R"(,"to":"cloudflare/signal-hub","payload":)" + payload +
                                  R"(,"pattern":"ask")" + more + "}");
    const std::vector<Frame> frames = Frames(client);
    EXPECT_THAT(frames, SizeIs(1)) << type;
    return frames.empty() ? Frame{"{}"} : frames[0];
  }
  // `token`: JSON, or nothing.
  Frame Connect(const ConnectionId& client, const std::string& token,
                const std::string& from = "browser/temp") {
    if (legacy()) {
      return Ask(client, "hub:connect", from, "null",
                 R"(,"metadata":{"protocolVersion":"0.1.0","capabilities":["send"])" +
                     (token.empty() ? "" : R"(,"authToken":)" + token) + "}");
    }
    return Ask(client, "hub:connect", from,
               R"({"version":"1.0")" + (token.empty() ? "" : R"(,"jwt":)" + token) + "}");
  }
  ConnectionId Session(const std::string& token) {
    const ConnectionId client = hub_->ClientConnects();
    const Frame reply = Connect(client, JsonQuoted(token));
    EXPECT_EQ(reply.type(), "hub:connected") << reply;
    return client;
  }
  std::string RegisterPayload(const std::string& address) const {
    return R"({"actorAddress":)" + Q(address) + R"(,"capabilities":["x"]})";
  }
  Frame Register(const ConnectionId& client, const std::string& address, const std::string& from) {
    return Ask(client, "hub:register", from, RegisterPayload(address));
  }
  ConnectionId Actor(const std::string& address, const std::string& actors = "",
                     const std::string& capabilities = "") {
    const ConnectionId client = Session(TokenOf(address, actors, capabilities));
    EXPECT_EQ(Register(client, address, address).type(), "hub:registered");
    return client;
  }
  // Refused, and nothing has changed.
  void ExpectUnauthorized(const ConnectionId& client, const std::string& type, const std::string& from,
                          const std::string& payload, const std::string& why) {
    const auto rows = hub_->rows();
    const Frame reply = Ask(client, type, from, payload);
    EXPECT_EQ(reply.type(), "hub:error") << type << reply;
    EXPECT_EQ(reply.code(), "unauthorized") << type << reply;
    EXPECT_THAT(reply.String("payload.message"), HasSubstr(why)) << type;
    EXPECT_EQ(hub_->rows(), rows) << type;
    EXPECT_EQ(hub_->attachments_written(), 0u) << type;
    EXPECT_FALSE(hub_->ClosedByHub(client).has_value());
  }
  // All messages that speak for somebody, with payloads that would do.
  std::vector<std::pair<std::string, std::string>> Speaking(const std::string& address) const {
    const std::string to = R"({"to":)" + Q("browser/bob") + R"(,"type":"t","data":1})";
    return {{"hub:register", RegisterPayload("browser/alice")},
            {"hub:renew", R"({"renewalToken":"x.)" + address + "\"}"},
            {"hub:unregister", R"({"actorAddress":)" + Q(address) + "}"},
            {"hub:send", to},
            {"hub:broadcast", R"({"type":"t","data":1})"},
            {"hub:publish", R"({"topic":"news","type":"t","data":1})"},
            {"hub:subscribe", R"({"topic":"news"})"},
            {"hub:unsubscribe", R"({"topic":"news"})"},
            {"app:hello", "1"}};
  }

  Options options_;
  KeyDirectory files_;
  const TestKey key_ = TestKey::NewFor(kHs256);
  std::unique_ptr<TokenAuthority> authority_;
  std::unique_ptr<HubClass> class_;
  std::unique_ptr<FakeContext> hub_;
};

INSTANTIATE_TEST_SUITE_P(Styles, AuthenticationTest,
                         testing::Values(Style{true, false}, Style{true, true}, Style{false, false},
                                         Style{false, true}),
                         [](const auto& style) {
                           return std::string(style.param.legacy ? "Legacy" : "Current") +
                                  (style.param.canonical ? "Canonical" : "Bare");
                         });

TEST_P(AuthenticationTest, TenBadTokensInARowEndTheSocket) {
  const ConnectionId careless = hub_->ClientConnects();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(Connect(careless, "\"no token\"").code(), "unauthorized");
  EXPECT_EQ(Connect(careless, JsonQuoted(TokenOf("browser/anna"))).type(), "hub:connected");
  EXPECT_EQ(Connect(careless, "\"no token\"").code(), "unauthorized");
  EXPECT_FALSE(hub_->ClosedByHub(careless).has_value()) << "a good one was among them";

  const ConnectionId guessing = hub_->ClientConnects();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Connect(guessing, "\"no token\"").code(), "unauthorized");
  ASSERT_TRUE(hub_->ClosedByHub(guessing).has_value());
  EXPECT_EQ(hub_->ClosedByHub(guessing)->code, 1008);
}

TEST_P(AuthenticationTest, ConnectsWithAToken) {
  const ConnectionId client = hub_->ClientConnects();
  EXPECT_FALSE(hub_->Admitted(client));
  const Frame reply = Connect(client, JsonQuoted(TokenOf("browser/alice")), "browser/whoever");
  EXPECT_EQ(reply.type(), "hub:connected") << reply;
  EXPECT_EQ(reply.String("payload.actorIdentity"), A("browser/alice"));
  EXPECT_EQ(reply.String("metadata.actorIdentity"), A("browser/alice"));
  if (!legacy()) {
    EXPECT_EQ(reply["payload.capabilities"],
              R"(["register","discover","send","receive","broadcast","publish","subscribe"])");
  }
  EXPECT_TRUE(hub_->Admitted(client));
}

TEST_P(AuthenticationTest, NamesTheCapabilitiesOfTheToken) {
  if (legacy()) return;
  const ConnectionId client = hub_->ClientConnects();
  const Frame reply =
      Connect(client, JsonQuoted(TokenOf("browser/alice", "", R"(["receive","render","send"])")));
  EXPECT_THAT(reply.text, HasSubstr(R"("capabilities":["send","receive"])"));
}

TEST_P(AuthenticationTest, AClaimOfTheOriginalsWordsAllowsWhatTheOriginalDid) {
  const auto register_with = [this](const std::string& capabilities) {
    const ConnectionId client = Session(TokenOf("browser/alice", "", capabilities));
    return Register(client, "browser/alice", "browser/alice").type();
  };
  EXPECT_EQ(register_with(R"(["send","receive","discover"])"), "hub:registered");
  EXPECT_EQ(register_with(R"(["discover"])"), "hub:registered");
  EXPECT_EQ(register_with(R"(["send","publish"])"), "hub:error");
  EXPECT_EQ(register_with(R"(["send","render"])"), "hub:error");
  options_.auth_capabilities = "strict";
  StartHub();
  EXPECT_EQ(register_with(R"(["send","receive","discover"])"), "hub:error");
  EXPECT_EQ(register_with(R"(["register"])"), "hub:registered");
}

TEST_P(AuthenticationTest, AClaimHubsLimitsTheHubs) {
  const auto connect_with = [this](const std::string& hubs) {
    Claims claims = GoodClaims(hub_->now_ms(), "browser/alice");
    claims["hubs"] = hubs;
    return Connect(hub_->ClientConnects(), JsonQuoted(Token(claims)));
  };
  EXPECT_EQ(connect_with(R"(["default"])").type(), "hub:connected");
  EXPECT_EQ(connect_with(R"(["x","def*"])").type(), "hub:connected");
  for (const char* other : {R"(["kitchen"])", R"(["default-2","d"])", "[]", "\"default\""}) {
    EXPECT_EQ(connect_with(other).code(), "unauthorized") << other;
  }
}

TEST_P(AuthenticationTest, ARegistrationEndsItsTtlAfterTheToken) {
  const ConnectionId alice = Actor("browser/alice");
  for (int i = 0; i < 12; ++i) {
    hub_->Advance(kHour / 12);
    hub_->ClientIsHeard(alice);
    hub_->RunDueAlarm();
    EXPECT_THAT(hub_->KeysWithPrefix("a/"), SizeIs(1));
  }
  hub_->Advance(300'000);
  hub_->ClientIsHeard(alice);
  EXPECT_TRUE(hub_->RunDueAlarm());
  EXPECT_THAT(hub_->KeysWithPrefix("a/"), IsEmpty());
}

TEST_P(AuthenticationTest, RefreshingCanBeSwitchedOff) {
  options_.auth_refresh = false;
  StartHub();
  const std::string token = TokenOf("browser/alice");
  const ConnectionId client = Session(token);
  const Frame reply = Ask(client, "hub:refresh_token", "browser/alice", R"({"token":")" + token + "\"}");
  EXPECT_EQ(reply.code(), "invalid_token");
  EXPECT_THAT(reply.String("payload.message"), HasSubstr("does not refresh"));
}

TEST_P(AuthenticationTest, TellsTheGatewayTheRoleOfTheToken) {
  const auto token_of = [this](const char* role) {
    Claims claims = GoodClaims(kNow, "browser/alice");
    claims["role"] = JsonQuoted(role);
    return Token(claims);
  };
  const ConnectionId client = hub_->ClientConnects();
  EXPECT_EQ(Connect(client, JsonQuoted(token_of("board"))).type(), "hub:connected");
  EXPECT_EQ(hub_->Role(client), "board");
  hub_->Sleep();
  EXPECT_EQ(
      Ask(client, "hub:refresh_token", "browser/alice", R"({"token":")" + token_of("bot") + "\"}").type(),
      "hub:token_refreshed");
  EXPECT_EQ(hub_->Role(client), "bot");
  EXPECT_EQ(Connect(client, JsonQuoted(TokenOf("browser/alice"))).type(), "hub:connected");
  EXPECT_EQ(hub_->Role(client), "");

  link::OpenRequest request;
  request.mutable_identity()->set_actor(A("browser/alice"));
  request.mutable_identity()->set_expires_ms(kNow + kHour);
  request.mutable_identity()->set_role("board");
  const ConnectionId known = hub_->ClientConnects(request);
  EXPECT_EQ(Connect(known, "").type(), "hub:connected");
  EXPECT_EQ(hub_->Role(known), "board");
}

TEST_P(AuthenticationTest, TakesTheTokenInEitherPlace) {
  const std::string token = TokenOf("browser/alice");
  for (const std::string& written : {token, "bearer " + token, "Bearer " + token, "BEARER " + token}) {
    const std::string jwt = R"({"version":"1.0","jwt":")" + written + "\"}";
    const std::string metadata =
        R"(,"metadata":{"protocolVersion":"0.1.0","capabilities":["send"],"authToken":")" + written + "\"}";
    EXPECT_EQ(Ask(hub_->ClientConnects(), "hub:connect", "a/b", jwt).type(), "hub:connected");
    EXPECT_EQ(Ask(hub_->ClientConnects(), "hub:connect", "a/b", "null", metadata).type(), "hub:connected");
    EXPECT_EQ(Ask(hub_->ClientConnects(), "hub:connect", "a/b", R"({"version":"1.0"})", metadata).type(),
              "hub:connected");
    EXPECT_EQ(Ask(hub_->ClientConnects(), "hub:connect", "a/b", R"({"jwt":")" + written + "\"}",
                  R"(,"metadata":{"protocolVersion":"0.1.0","capabilities":["send"]})")
                  .type(),
              "hub:connected");
  }
}

TEST_P(AuthenticationTest, RefusesBadTokensAndWaitsForAnother) {
  const ConnectionId client = hub_->ClientConnects();
  const std::string good = TokenOf("browser/alice");
  Claims claims = GoodClaims(kNow, "cloudflare/signal-hub");
  const std::string hubs_own = Token(claims);
  claims["actorId"] = "\"@()\"";
  const std::string no_address = Token(claims);
  claims = GoodClaims(kNow - kHour, "browser/alice");
  const std::string expired = Token(claims);
  for (const auto& [token, why] :
       std::vector<std::pair<std::string, std::string>>{{"", "no token"},
                                                        {"null", "no token"},
                                                        {"17", "JSON Web Token"},
                                                        {"\"\"", "JSON Web Token"},
                                                        {"\"bearer \"", "JSON Web Token"},
                                                        {JsonQuoted(good + "x"), "signature"},
                                                        {JsonQuoted(hubs_own), "actorId"},
                                                        {JsonQuoted(no_address), "actorId"},
                                                        {JsonQuoted(expired), "expired"}}) {
    const Frame reply = Connect(client, token);
    EXPECT_EQ(reply.code(), "unauthorized") << reply;
    EXPECT_THAT(reply.String("payload.message"), HasSubstr(why));
    EXPECT_THAT(reply.String("payload.resolution"), HasSubstr("payload.jwt"));
    EXPECT_THAT(reply.text, Not(HasSubstr(good.substr(0, 20))));
    EXPECT_FALSE(hub_->ClosedByHub(client).has_value());
    EXPECT_FALSE(hub_->Admitted(client));
  }
  EXPECT_EQ(Connect(client, JsonQuoted(good)).type(), "hub:connected");
  EXPECT_TRUE(hub_->Admitted(client));
}

TEST_P(AuthenticationTest, NothingGoesBeforeConnect) {
  const ConnectionId client = hub_->ClientConnects();
  auto messages = Speaking("browser/alice");
  for (const char* type : {"hub:heartbeat", "hub:disconnect", "hub:refresh_token", "hub:discover",
                           "hub:list_actors", "hub:queue_stats", "hub:nonsense"}) {
    messages.emplace_back(type, "{}");
  }
  for (const auto& [type, payload] : messages) {
    ExpectUnauthorized(client, type, "browser/alice", payload, "has not connected");
  }
  hub_->Sleep();
  ExpectUnauthorized(client, "hub:discover", "browser/alice", "{}", "has not connected");
}

TEST_P(AuthenticationTest, TakesTheGatewaysWordForATokenOfTheUpgrade) {
  link::OpenRequest request;
  request.mutable_identity()->set_actor(A("browser/alice"));
  request.mutable_identity()->add_actors("browser/a*");
  request.mutable_identity()->add_capabilities("register");
  request.mutable_identity()->set_expires_ms(kNow + kHour);
  const ConnectionId client = hub_->ClientConnects(request);
  ExpectUnauthorized(client, "hub:discover", "browser/alice", "{}", "has not connected");
  hub_->Sleep();
  EXPECT_EQ(Connect(client, JsonQuoted(TokenOf("browser/mallory"))).code(), "unauthorized");
  const Frame reply = Connect(client, "", "browser/whoever");
  EXPECT_EQ(reply.String("payload.actorIdentity"), A("browser/alice")) << reply;
  EXPECT_TRUE(hub_->Admitted(client));
  EXPECT_EQ(Register(client, "browser/ann", "browser/ann").type(), "hub:registered");
  ExpectUnauthorized(client, "hub:discover", "browser/alice", "{}", "discover");
  hub_->Advance(kHour);
  EXPECT_EQ(Connect(client, "").code(), "unauthorized");

  // One that makes no sense counts as none.
  request.mutable_identity()->set_actor("@()");
  EXPECT_THAT(Connect(hub_->ClientConnects(request), "").String("payload.message"), HasSubstr("no token"));
}

TEST_P(AuthenticationTest, SpeaksOnlyForItself) {
  const ConnectionId bob = Actor("browser/bob");
  const ConnectionId alice = Session(TokenOf("browser/alice"));
  for (const char* from : {"browser/bob", "browser/unknown", "browser/temp", "cloudflare/signal-hub"}) {
    for (const auto& [type, payload] : Speaking("browser/bob")) {
      ExpectUnauthorized(alice, type, from, payload, "\"from\" is neither");
    }
  }
  EXPECT_THAT(Frames(bob), IsEmpty());
  // Nothing of that: reading, and what only the session is about.
  EXPECT_NE(Ask(alice, "hub:discover", "browser/bob", "{\"pattern\":\"*\"}").type(), "hub:error");
  EXPECT_EQ(Ask(alice, "hub:heartbeat", "browser/unknown", "null").type(), "hub:heartbeat_ack");
  // As itself.
  EXPECT_EQ(Ask(alice, "hub:send", "browser/alice", R"({"to":"browser/bob","type":"t","data":1})").type(),
            "hub:delivery_ack");
  EXPECT_EQ(Frames(bob).at(0).String("from"), A("browser/alice"));
}

TEST_P(AuthenticationTest, RegistersOnlyWhatTheTokenCovers) {
  const ConnectionId bob = Actor("browser/bob");
  const ConnectionId alice = Session(TokenOf("browser/alice", R"x(["worker/alice-*","@(tab/?)"])x"));
  for (const char* other :
       {"browser/bob", "worker/alice", "tab/12", "tab/", "browser/alice2", "worker/bob-1"}) {
    ExpectUnauthorized(alice, "hub:register", "browser/alice", RegisterPayload(other), "does not cover");
    ExpectUnauthorized(alice, "hub:register", other, RegisterPayload(other), "\"from\" is neither");
  }
  for (const char* own : {"browser/alice", "worker/alice-1", "tab/1"}) {
    EXPECT_EQ(Register(alice, own, own).type(), "hub:registered") << own;
    EXPECT_EQ(Ask(alice, "hub:subscribe", own, R"({"topic":"news"})").type(), "hub:subscribed") << own;
  }
  EXPECT_EQ(Register(alice, "worker/alice-2", "browser/alice").type(), "hub:registered");
  EXPECT_FALSE(hub_->ClosedByHub(bob).has_value());
  // An address that the token covers, and the session has not registered.
  ExpectUnauthorized(alice, "hub:publish", "worker/alice-3", R"({"topic":"news","type":"t"})", "\"from\"");
  EXPECT_EQ(Ask(alice, "hub:publish", "worker/alice-2", R"({"topic":"none","type":"t"})").type(),
            legacy() ? "hub:published" : "hub:delivery_ack");
}

TEST_P(AuthenticationTest, GivesUpOnlyItsOwn) {
  const ConnectionId bob = Session(TokenOf("browser/bob", R"(["shared/*"])"));
  const Frame registered = Register(bob, "shared/printer", "browser/bob");
  const std::string renewal = R"({"renewalToken":")" + registered.String("payload.renewalToken") + "\"}";
  const std::string unregister = R"({"actorAddress":)" + Q("shared/printer") + "}";

  // The token's secret is known, the address is covered; it is Bob's session that holds it.
  const ConnectionId alice = Session(TokenOf("browser/alice", R"(["shared/*"])"));
  ExpectUnauthorized(alice, "hub:renew", "browser/alice", renewal, "by another session");
  ExpectUnauthorized(alice, "hub:unregister", "browser/alice", unregister, "by another session");
  ExpectUnauthorized(alice, "hub:unregister", "shared/printer", unregister, "\"from\"");
  const ConnectionId carol = Session(TokenOf("browser/carol"));
  ExpectUnauthorized(carol, "hub:renew", "browser/carol", renewal, "does not cover");
  ExpectUnauthorized(carol, "hub:unregister", "browser/carol", unregister, "does not cover");
  EXPECT_EQ(Ask(bob, "hub:renew", "browser/bob", renewal).type(), "hub:renewed");
  EXPECT_EQ(Ask(bob, "hub:unregister", "shared/printer", unregister).type(), "hub:unregistered");

  // The actor of an address may from another session, too.
  EXPECT_EQ(Register(bob, "browser/bob", "browser/bob").type(), "hub:registered");
  const ConnectionId bob2 = Session(TokenOf("browser/bob"));
  EXPECT_EQ(Ask(bob2, "hub:unregister", "browser/bob", R"({"actorAddress":"browser/bob"})").type(),
            "hub:unregistered");
}

TEST_P(AuthenticationTest, DemandsCapabilities) {
  Actor("browser/bob");
  const std::map<std::string, std::string> needs = {
      {"hub:register", "register"},   {"hub:renew", "register"},    {"hub:send", "send"},
      {"hub:broadcast", "broadcast"}, {"hub:publish", "publish"},   {"hub:subscribe", "subscribe"},
      {"app:hello", "send"},          {"hub:discover", "discover"}, {"hub:list_actors", "discover"}};
  auto messages = Speaking("browser/alice");
  messages.emplace_back("hub:discover", "{}");
  messages.emplace_back("hub:list_actors", "{}");
  for (const auto& [type, payload] : messages) {
    const auto need = needs.find(type);
    if (need == needs.end()) continue;
    std::string others = "\"none\"";
    for (const char* name :
         {"register", "discover", "send", "receive", "broadcast", "publish", "subscribe"}) {
      if (name != need->second) others += ",\"" + std::string(name) + "\"";
    }
    const ConnectionId without = Session(TokenOf("browser/alice", "", "[" + others + "]"));
    ExpectUnauthorized(without, type, "browser/alice", payload, "[\"" + need->second + "\"]");
    const ConnectionId with = Session(TokenOf("browser/alice", "", "[\"receive\",\"" + need->second + "\"]"));
    if (type == "hub:renew") continue;  // of what?
    EXPECT_NE(
        Ask(with, type, "browser/alice", payload, type == "app:hello" ? R"(,"to":"browser/bob")" : "").code(),
        "unauthorized")
        << type;
  }
}

TEST_P(AuthenticationTest, NoMessagesForThoseWhoMayNotReceive) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId mute = Session(TokenOf("browser/mute", "", R"(["register","send","subscribe"])"));
  EXPECT_EQ(Register(mute, "browser/mute", "browser/mute").type(), "hub:registered");
  ExpectUnauthorized(mute, "hub:subscribe", "browser/mute", R"({"topic":"news"})", "receive");
  EXPECT_EQ(Ask(mute, "hub:send", "browser/mute", R"({"to":"browser/alice","type":"t"})").type(),
            "hub:delivery_ack");
  EXPECT_THAT(Frames(alice), SizeIs(1));
  EXPECT_EQ(Ask(alice, "hub:send", "browser/alice", R"({"to":"browser/mute","type":"t"})").type(),
            "hub:unknown_actor");
  EXPECT_EQ(
      Ask(alice, "hub:broadcast", "browser/alice", R"({"type":"t","excludeSelf":true})")["payload.count"],
      "0");
  EXPECT_THAT(Frames(mute), IsEmpty());
  EXPECT_THAT(Ask(alice, "hub:list_actors", "browser/alice", "{}").text, HasSubstr("browser/mute"));
}

TEST_P(AuthenticationTest, TheTokensEndIsTheSessionsEnd) {
  const ConnectionId alice = Actor("browser/alice");
  hub_->Advance(kHour - 1);
  EXPECT_EQ(Ask(alice, "hub:publish", "browser/alice", R"({"topic":"news","type":"t"})").type(),
            legacy() ? "hub:published" : "hub:delivery_ack");
  hub_->Advance(1);
  auto messages = Speaking("browser/alice");
  for (const char* type : {"hub:discover", "hub:list_actors", "hub:queue_stats", "hub:nonsense"}) {
    messages.emplace_back(type, "{}");
  }
  for (const auto& [type, payload] : messages) {
    ExpectUnauthorized(alice, type, "browser/alice", payload, "token has expired");
  }
  EXPECT_EQ(Ask(alice, "hub:heartbeat", "browser/alice", "null").type(), "hub:heartbeat_ack");
  EXPECT_EQ(Connect(alice, "").code(), "unauthorized");
  EXPECT_EQ(Ask(alice, "hub:refresh_token", "browser/alice", "{}").code(), "invalid_token");

  // A new token of the same actor goes on with the same session.
  EXPECT_EQ(Connect(alice, JsonQuoted(TokenOf("browser/mallory"))).code(), "unauthorized");
  ExpectUnauthorized(alice, "hub:discover", "browser/alice", "{}", "token has expired");
  EXPECT_EQ(Connect(alice, JsonQuoted(TokenOf("browser/alice"))).type(), "hub:connected");
  EXPECT_EQ(Register(alice, "browser/alice", "browser/alice").type(), "hub:registered");
  hub_->Advance(kHour);
  EXPECT_EQ(Ask(alice, "hub:disconnect", "browser/alice", "null").type(),
            legacy() ? "hub:disconnect" : "hub:disconnect_ack");
}

TEST_P(AuthenticationTest, AnotherTokenReplacesWhatTheFirstGranted) {
  const ConnectionId alice = Session(TokenOf("browser/alice", R"(["worker/*"])"));
  EXPECT_EQ(Register(alice, "worker/1", "worker/1").type(), "hub:registered");
  const Frame first = Connect(alice, "");
  const Frame again = Connect(alice, JsonQuoted(TokenOf("browser/alice", "", R"(["publish","send"])")));
  EXPECT_EQ(again.String("payload.sessionId"), first.String("payload.sessionId"));
  ExpectUnauthorized(alice, "hub:discover", "browser/alice", "{}", "discover");
  ExpectUnauthorized(alice, "hub:publish", "worker/1", R"({"topic":"news","type":"t"})", "\"from\"");
}

TEST_P(AuthenticationTest, RefreshesTokens) {
  const std::string token = TokenOf("browser/alice", R"(["worker/*"])", R"(["discover","register"])");
  const ConnectionId alice = Session(token);
  hub_->Advance(kHour / 2);
  const Frame reply = Ask(alice, "hub:refresh_token", "browser/alice", R"({"token":")" + token + "\"}");
  ASSERT_EQ(reply.type(), "hub:token_refreshed") << reply;
  EXPECT_EQ(reply["payload.expiresAt"], std::to_string(kNow + kHour / 2 + kHour));
  const auto verdict = authority_->Verify(reply.String("payload.token"), hub_->now_ms());
  ASSERT_TRUE(verdict.claims.has_value()) << verdict.problem;
  EXPECT_EQ(verdict.claims->actor, "browser/alice");
  EXPECT_THAT(verdict.claims->actors, testing::ElementsAre("worker/*"));
  EXPECT_THAT(verdict.claims->capabilities, testing::ElementsAre("discover", "register"));

  hub_->Sleep();
  hub_->Advance(kHour - 1);  // beyond the first token
  EXPECT_NE(Ask(alice, "hub:discover", "browser/alice", "{\"pattern\":\"*\"}").type(), "hub:error");
  hub_->Advance(1);
  ExpectUnauthorized(alice, "hub:discover", "browser/alice", "{}", "expired");
}

TEST_P(AuthenticationTest, RefusesToRefreshWhatIsNotItsOwn) {
  const ConnectionId alice = Session(TokenOf("browser/alice"));
  for (const std::string& payload :
       {std::string("null"), std::string("{}"), std::string(R"({"token":null})"),
        std::string(R"({"token":7})"), std::string(R"({"token":"x.y.z"})"),
        R"({"token":")" + TokenOf("browser/bob") + "\"}",
        R"({"token":")" + Token(GoodClaims(kNow - kHour, "browser/alice")) + "\"}"}) {
    const Frame reply = Ask(alice, "hub:refresh_token", "browser/alice", payload);
    EXPECT_EQ(reply.type(), "hub:error");
    EXPECT_EQ(reply.code(), "invalid_token") << reply;
    EXPECT_EQ(hub_->attachments_written(), 0u);
  }
}

TEST_P(AuthenticationTest, SaysThatItCannotRefreshWithoutAKey) {
  const TestKey ec = TestKey::NewFor(TokenAlgorithm::kEs256);
  options_.auth_algorithm = "ES256";
  options_.auth_key = files_.Write("public", ec.PublicPem());
  StartHub();
  const std::string token = MakeToken(ec, TokenAlgorithm::kEs256, GoodClaims(kNow));
  const ConnectionId alice = Session(token);
  const Frame reply = Ask(alice, "hub:refresh_token", "browser/alice", R"({"token":")" + token + "\"}");
  EXPECT_EQ(reply.code(), "invalid_token");
  EXPECT_THAT(reply.String("payload.resolution"), HasSubstr("auth-signing-key"));
}

// --- Without authentication.

TEST_P(AuthenticationTest, OffTokensCountForNothing) {
  StartOpenHub();
  link::OpenRequest request;
  request.mutable_identity()->set_actor("browser/alice");
  const ConnectionId client = hub_->ClientConnects(request);
  const Frame reply = Connect(client, "\"anything\"", "browser/me");
  EXPECT_EQ(reply.String("payload.actorIdentity"), A("browser/me")) << reply;
  EXPECT_FALSE(hub_->Admitted(client));  // nobody waits for it
  EXPECT_EQ(Register(client, "browser/other", "browser/third").type(), "hub:registered");
  EXPECT_EQ(Ask(client, "hub:refresh_token", "browser/me", R"({"token":"x"})").code(), "invalid_token");
}

TEST_P(AuthenticationTest, OffAnAddressIsGivenUpByItsOwnSessionOnly) {
  StartOpenHub();
  const std::string unregister = R"({"actorAddress":)" + Q("browser/alice") + "}";
  const ConnectionId alice = hub_->ClientConnects();
  Connect(alice, "", "browser/temp");  // as published clients do
  EXPECT_EQ(Register(alice, "browser/alice", "browser/temp").type(), "hub:registered");

  const ConnectionId mallory = hub_->ClientConnects();
  Connect(mallory, "", "browser/mallory");
  ExpectUnauthorized(mallory, "hub:unregister", "browser/alice", unregister, "by another session");
  EXPECT_EQ(Ask(alice, "hub:unregister", "browser/temp", unregister).type(), "hub:unregistered");

  // Who named the address when connecting, or never connected and is who it says, takes itself out.
  Register(alice, "browser/alice", "browser/alice");
  const ConnectionId same = hub_->ClientConnects();
  Connect(same, "", "browser/alice");
  EXPECT_EQ(Ask(same, "hub:unregister", "browser/alice", unregister).type(), "hub:unregistered");
  Register(alice, "browser/alice", "browser/alice");
  EXPECT_EQ(Ask(hub_->ClientConnects(), "hub:unregister", "browser/alice", unregister).type(),
            "hub:unregistered");
}

}  // namespace
}  // namespace dormouse
