// hub:register, hub:renew, hub:unregister, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/testing/protocol_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class RegistrationMessagesTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, RegistrationMessagesTest, kStyles, NameOfStyle);

TEST_P(RegistrationMessagesTest, Register) {
  const ConnectionId client = Connect();
  const Frame reply = Register(client, "browser/me", R"(,"metadata":{"v":1.0})");
  EXPECT_THAT(reply.Keys("payload"),
              UnorderedElementsAre("actorAddress", "renewalToken", "expiresAt", "version", "renewalNeeded"));
  EXPECT_EQ(reply["payload.actorAddress"], Q("browser/me"));
  EXPECT_EQ(reply.Number("payload.version"), 1);
  EXPECT_EQ(reply.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 300'000);
  EXPECT_GE(reply.String("payload.renewalToken").size(), 32u);
  EXPECT_THAT(
      Tell(client, "hub:register", "browser/me", R"({"actorAddress":"browser/x","capabilities":["c"]})"),
      SizeIs(1))
      << "tells are answered, too";
}

TEST_P(RegistrationMessagesTest, RegisterClampsTheTtl) {
  const ConnectionId client = Connect();
  const auto ttl = [&](const std::string& field) {
    return Register(client, "browser/me", "," + field).Number("payload.expiresAt") -
           static_cast<double>(hub_.now_ms());
  };
  EXPECT_EQ(ttl(R"("ttl":60000)"), 60'000);
  EXPECT_EQ(ttl(R"("ttlSeconds":60)"), 60'000);
  EXPECT_EQ(ttl(R"("ttlSeconds":1.5)"), 1500);
  EXPECT_EQ(ttl(R"("ttl":1)"), 1000);
  EXPECT_EQ(ttl(R"("ttl":-5)"), 1000);
  EXPECT_EQ(ttl(R"("ttlSeconds":1e300)"), 3'600'000);
  EXPECT_EQ(ttl(R"("ttl":null)"), 300'000);
}

TEST_P(RegistrationMessagesTest, RegisterRefusesBadPayloads) {
  const ConnectionId client = Connect();
  for (const char* payload :
       {"null", "[]", "{}", R"({"actorAddress":7})", R"({"actorAddress":""})", R"j({"actorAddress":"@()"})j",
        R"({"actorAddress":"a/b","capabilities":"chat"})", R"({"actorAddress":"a/b","capabilities":[1]})",
        R"({"actorAddress":"a/b","capabilities":["c"],"metadata":[]})",
        R"({"actorAddress":"a/b","capabilities":["c"],"ttl":"5"})"}) {
    ExpectError(Ask(client, "hub:register", "a/b", payload), "internal_error");
  }
  ExpectError(
      Ask(client, "hub:register", "a/b", R"({"actorAddress":"cloudflare/signal-hub","capabilities":["c"]})"),
      "unauthorized");
  const std::string big =
      R"({"actorAddress":"a/b","capabilities":["c"],"metadata":{"x":")" + std::string(17'000, 'x') + "\"}}";
  const Frame large = Ask(client, "hub:register", "a/b", big);
  ExpectError(large, "message_too_large");
  EXPECT_THAT(large.Keys("payload.details"), UnorderedElementsAre("actualSize", "maxSize", "size", "limit"));
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_P(RegistrationMessagesTest, CapabilitiesAreRequiredInTheOlderDialectOnly) {
  const ConnectionId client = Connect();
  for (const char* payload : {R"({"actorAddress":"a/b"})", R"({"actorAddress":"a/b","capabilities":[]})"}) {
    const Frame reply = Ask(client, "hub:register", "a/b", payload);
    EXPECT_EQ(reply.type(), legacy() ? "hub:error" : "hub:registered") << reply;
  }
}

TEST_P(RegistrationMessagesTest, ReRegistrationCountsVersions) {
  const ConnectionId client = Connect();
  const Frame first = Register(client, "browser/me");
  hub_.Advance(5);
  const Frame second = Register(client, "browser/me");
  EXPECT_EQ(second.Number("payload.version"), 2);
  EXPECT_NE(second["payload.renewalToken"], first["payload.renewalToken"]);
  EXPECT_FALSE(hub_.ClosedByHub(client).has_value()) << "its own session is not a duplicate";
  hub_.Advance(300'000);
  EXPECT_EQ(Register(client, "browser/me").Number("payload.version"), 3) << "its socket keeps it";
  Register(client, "browser/me", R"(,"ttl":1000)");
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Register(client, "browser/me").Number("payload.version"), 1)
      << "the expired one is not there any more";
}

// One of two answers to the same event is lost; so the token of either must do, until one is used.
TEST_P(RegistrationMessagesTest, TheSameEventAgainIsAnsweredTheSameButForTheToken) {
  const ConnectionId client = Connect();
  const auto send_twice = [&](const std::string& frame) {
    const Message message{frame, false, hub_.now_ms()};
    hub_.ClientSends(client, message);
    const Frame first = One(client);
    hub_.Advance(40);
    hub_.Sleep();
    hub_.ClientSends(client, message);
    const Frame second = One(client);
    EXPECT_EQ(second.type(), first.type());
    for (const char* field : {"payload.actorAddress", "payload.expiresAt", "payload.version"}) {
      EXPECT_EQ(second[field], first[field]);
    }
    EXPECT_NE(second["payload.renewalToken"], first["payload.renewalToken"]);
    return std::pair(first["payload.renewalToken"], second["payload.renewalToken"]);
  };
  const auto renewal = [&](const std::string& token) {
    return Envelope("hub:renew", "browser/me", R"({"renewalToken":)" + token + "}", "ask");
  };
  const auto renew = [&](const std::string& token) {
    hub_.ClientSends(client, renewal(token));
    return One(client);
  };
  const std::string registration =
      Envelope("hub:register", "browser/me", R"({"actorAddress":"browser/me","capabilities":["c"]})", "ask");

  auto [first, second] = send_twice(registration);
  EXPECT_EQ(renew(first).type(), "hub:renewed");
  ExpectError(renew(second), "unauthorized");

  std::tie(first, second) = send_twice(registration);
  EXPECT_EQ(renew(second).type(), "hub:renewed");
  ExpectError(renew(first), "unauthorized");

  std::tie(first, second) = send_twice(renewal(send_twice(registration).first));
  EXPECT_EQ(renew(first).type(), "hub:renewed");
  ExpectError(renew(second), "unauthorized");
}

TEST_P(RegistrationMessagesTest, SeveralEventsThatComeAgainEndNoTokenThatTheClientMayHave) {
  for (const bool first_answers_arrived : {true, false}) {
    const ConnectionId client = Connect();
    const std::string registration = Envelope("hub:register", "browser/me",
                                              R"({"actorAddress":"browser/me","capabilities":["c"]})", "ask");
    Message register_it{registration, false, hub_.now_ms()};
    hub_.ClientSends(client, register_it);
    const Frame registered = One(client);
    hub_.Advance(40);
    const std::string renewal = Envelope(
        "hub:renew", "browser/me", R"({"renewalToken":)" + registered["payload.renewalToken"] + "}", "ask");
    Message renew_it{renewal, false, hub_.now_ms()};
    hub_.ClientSends(client, renew_it);
    const Frame renewed = One(client);
    hub_.Sleep();
    register_it.repeated = true;
    renew_it.repeated = true;
    hub_.ClientSends(client, register_it);
    EXPECT_EQ(One(client).type(), "hub:registered");
    hub_.ClientSends(client, renew_it);
    const Frame renewed_again = One(client);
    EXPECT_EQ(renewed_again.type(), "hub:renewed");
    const std::string token = (first_answers_arrived ? renewed : renewed_again)["payload.renewalToken"];
    EXPECT_EQ(Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + "}").type(),
              "hub:renewed");
    hub_.ClientCloses(client);
  }
}

TEST_P(RegistrationMessagesTest, TheLastToRegisterAnAddressHasIt) {
  const ConnectionId older = Actor("browser/me");
  Register(older, "browser/other");
  const std::string subscription = Subscribe(older, "browser/me", "news");
  Subscribe(older, "browser/other", "news");
  const ConnectionId newer = Connect();
  EXPECT_EQ(Register(newer, "browser/me").Number("payload.version"), 2);

  const Frame told = One(older);
  EXPECT_EQ(told.type(), "hub:disconnect");
  EXPECT_EQ(told["to"], Q("browser/me"));
  EXPECT_EQ(told["from"], Q("cloudflare/signal-hub"));
  EXPECT_EQ(told.String("payload.reason"), "duplicate_connection");
  EXPECT_TRUE(IsJsonString(told["payload.message"]));
  ASSERT_TRUE(hub_.ClosedByHub(older).has_value());
  EXPECT_EQ(hub_.ClosedByHub(older)->code, 1000);

  // The subscriptions of the address came along; all else of the older session is gone.
  const ConnectionId publisher = Connect();
  Ask(publisher, "hub:publish", "x/y", R"({"topic":"news","type":"t","data":1})");
  EXPECT_EQ(One(newer)["to"], Q("browser/me"));
  EXPECT_EQ(Ask(publisher, "hub:list_actors", "x/y", "{}").Number("payload.total"), 1);
  Ask(newer, "hub:unsubscribe", "browser/me", R"({"subscriptionId":")" + subscription + "\"}");
  EXPECT_EQ(Subscribers("news"), 0);
}

TEST_P(RegistrationMessagesTest, TheFullRegistryTakesKnownAddressesOnly) {
  Options options;
  options.max_actors = 2;
  const auto small = NewSignalClass(options);
  FakeContext hub(*small);
  const ConnectionId client = hub.ClientConnects();
  const auto code = [&](const std::string& address) {
    hub.ClientSends(
        client, Envelope("hub:register", address,
                         R"({"actorAddress":)" + Q(address) + R"(,"capabilities":["c"],"ttl":1000})", "ask"));
    const Frame reply{hub.TakeFrames(client).at(0)};
    return reply.type() == "hub:registered" ? "ok" : reply.String("payload.code");
  };
  EXPECT_EQ(code("a/1"), "ok");
  EXPECT_EQ(code("a/2"), "ok");
  EXPECT_EQ(code("a/3"), "rate_limited");
  EXPECT_EQ(code("a/2"), "ok");
  hub.Advance(1000);
  EXPECT_TRUE(hub.RunDueAlarm());
  EXPECT_EQ(code("a/3"), "ok");
}

TEST_P(RegistrationMessagesTest, RenewRotatesTheToken) {
  const ConnectionId client = Connect();
  const Frame registered = Register(client, "browser/me", R"(,"ttl":60000)");
  hub_.Advance(50'000);
  // In the way of its dialect; `from` is not the registered actor, as in today's clients.
  const auto renew = [&](const std::string& token) {
    return legacy() ? Ask(client, "hub:renew", "browser/unknown", "null",
                          R"(,"metadata":{"renewalToken":)" + token + "}")
                    : Ask(client, "hub:renew", "browser/me",
                          R"({"actorAddress":)" + Q("browser/me") + R"(,"renewalToken":)" + token + "}");
  };
  const std::string token = registered["payload.renewalToken"];
  const Frame renewed = renew(token);
  EXPECT_EQ(renewed.type(), "hub:renewed") << renewed;
  EXPECT_THAT(renewed.Keys("payload"), UnorderedElementsAre("actorAddress", "expiresAt", "renewalToken",
                                                            "newRenewalToken", "renewalNeeded"));
  EXPECT_EQ(renewed["payload.actorAddress"], Q("browser/me"));
  EXPECT_EQ(renewed.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 60'000);
  EXPECT_EQ(renewed["payload.renewalToken"], renewed["payload.newRenewalToken"]);
  EXPECT_NE(renewed["payload.renewalToken"], token);
  hub_.Advance(50'000);
  EXPECT_EQ(Ask(client, "hub:list_actors", "x/y", "{}").Number("payload.total"), 1) << "it lives longer";
  ExpectError(renew(token), "unauthorized");
  EXPECT_EQ(renew(renewed["payload.newRenewalToken"]).type(), "hub:renewed");
}

TEST_P(RegistrationMessagesTest, RenewWithAWrongTokenIsUnauthorized) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me").String("payload.renewalToken");
  const std::string other = Register(client, "browser/other").String("payload.renewalToken");
  const auto error = [&](const std::string& payload) {
    return Ask(client, "hub:renew", "browser/me", payload);
  };
  std::string wrong = token;
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  for (const std::string& bad :
       std::vector<std::string>{wrong, "x", "x.browser/me", ".browser/me", token.substr(0, 32)}) {
    ExpectError(error(R"({"renewalToken":")" + bad + "\"}"), "unauthorized");
  }
  ExpectError(error(R"({"actorAddress":"browser/me","renewalToken":")" + other + "\"}"), "unauthorized");
  ExpectError(error("{}"), "internal_error");
  ExpectError(error(R"({"renewalToken":7})"), "internal_error");
}

TEST_P(RegistrationMessagesTest, RenewOfAnActorThatIsNotRegistered) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me", R"(,"ttl":1000)").String("payload.renewalToken");
  const std::string renewal = R"({"renewalToken":")" + token + "\"}";
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  ExpectError(Ask(client, "hub:renew", "browser/me", renewal), legacy() ? "unauthorized" : "unknown_actor");
  Register(client, "browser/me");
  ExpectError(Ask(client, "hub:renew", "browser/me", renewal), "unauthorized");
}

TEST_P(RegistrationMessagesTest, UpkeepDoesNotKeepTheHubAwake) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me", R"(,"ttl":1000)")["payload.renewalToken"];
  EXPECT_TRUE(hub_.stays_awake());
  Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + "}");
  EXPECT_FALSE(hub_.stays_awake());
  Ask(client, "hub:heartbeat", "browser/me", "null");
  EXPECT_FALSE(hub_.stays_awake());
  hub_.ClientIsHeard(client);
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Ask(client, "hub:list_actors", "x/y", "{}").Number("payload.total"), 0);
  EXPECT_TRUE(hub_.stays_awake());
}

TEST_P(RegistrationMessagesTest, ASocketThatIsHeardKeepsItsRegistrations) {
  const ConnectionId client = Connect();
  EXPECT_EQ(Register(client, "browser/me")["payload.renewalNeeded"], "false");
  EXPECT_FALSE(hub_.alarm().has_value()) << "there is nothing to wake for";
  EXPECT_EQ(Register(client, "browser/short", R"(,"ttl":10000)")["payload.renewalNeeded"], "true");
  for (int i = 0; i < 5; ++i) {
    hub_.Sleep();
    hub_.Advance(7'000);
    hub_.ClientIsHeard(client);
    hub_.Advance(3'000);
    hub_.RunDueAlarm();
  }
  const ConnectionId other = Connect();
  EXPECT_EQ(Ask(other, "hub:list_actors", "x/y", "{}").Number("payload.total"), 2);
  hub_.Advance(7'000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_THAT(hub_.KeysWithPrefix("a/"), ElementsAre("a/browser/me")) << "10 s after the last sign of life";
  EXPECT_FALSE(hub_.alarm().has_value());
}

TEST_P(RegistrationMessagesTest, RenewTakesAnotherTtl) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me")["payload.renewalToken"];
  const Frame reply =
      Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + R"(,"ttl":5000})");
  EXPECT_EQ(reply.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 5000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 5000);
}

TEST_P(RegistrationMessagesTest, Unregister) {
  const ConnectionId client = Actor("browser/me");
  Subscribe(client, "browser/me", "news");
  const std::string payload = R"({"actorAddress":)" + Q("browser/me") + "}";
  const Frame reply = Ask(client, "hub:unregister", "browser/me", payload);
  EXPECT_EQ(reply.type(), "hub:unregistered");
  EXPECT_EQ(reply["payload"], R"({"actorAddress":)" + Q("browser/me") + R"(,"unregisteredAt":)" +
                                  std::to_string(hub_.now_ms()) + "}");
  EXPECT_THAT(hub_.rows(), IsEmpty()) << "its subscriptions belong to it";
  EXPECT_EQ(Ask(client, "hub:unregister", "browser/me", payload).type(), "hub:unregistered")
      << "twice is once";
  Register(client, "browser/me");
  EXPECT_THAT(Tell(client, "hub:unregister", "browser/me", payload), SizeIs(legacy() ? 0 : 1));
  EXPECT_THAT(hub_.rows(), IsEmpty());
  ExpectError(Ask(client, "hub:unregister", "browser/me", "{}"), "internal_error");
}

TEST_P(RegistrationMessagesTest, OthersDoNotUnregisterMe) {
  Actor("browser/me");
  const ConnectionId other = Actor("browser/other");
  ExpectError(Ask(other, "hub:unregister", "browser/other", R"({"actorAddress":"browser/me"})"),
              "unauthorized");
  EXPECT_EQ(Ask(other, "hub:list_actors", "x/y", "{}").Number("payload.total"), 2);
}

TEST_P(RegistrationMessagesTest, ExpiryHidesAndLeavesTheSocketOpen) {
  const ConnectionId client = Actor("browser/me", R"(,"ttl":1000)");
  const ConnectionId other = Actor("browser/other");
  hub_.Advance(1000);
  hub_.Sleep();
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Ask(other, "hub:send", "browser/other", R"({"to":"browser/me","type":"t"})").type(),
            "hub:unknown_actor");
  EXPECT_EQ(Ask(other, "hub:discover", "browser/other", R"({"pattern":"*"})").Number("payload.totalMatches"),
            1);
  EXPECT_EQ(Ask(other, "hub:list_actors", "browser/other", "{}").Number("payload.total"), 1);
  EXPECT_EQ(Ask(other, "hub:broadcast", "browser/other", R"({"type":"t","excludeSelf":true})")
                .Number("payload.count"),
            0);
  EXPECT_THAT(hub_.KeysWithPrefix("a/"), ElementsAre("a/browser/other"));
  EXPECT_THAT(hub_.KeysWithPrefix("x/"), IsEmpty());
  EXPECT_FALSE(hub_.ClosedByHub(client).has_value()) << "the socket stays open";
  EXPECT_FALSE(hub_.alarm().has_value());
}

}  // namespace
}  // namespace dormouse::signal
