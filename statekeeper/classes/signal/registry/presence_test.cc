// Who is there, and who is told of it.
#include "statekeeper/classes/signal/registry/presence.h"

#include <gmock/gmock.h>

#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PresenceTest : public testing::Test, protected HubStage {
 protected:
  PresenceTest() {
    EXPECT_EQ(Ask(watcher_, "hub:subscribe", "browser/watcher", R"({"topic":"hub/presence"})").type(),
              "hub:subscribed");
  }
  // What the watcher was told since it was last asked: "browser/me joined".
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    for (const Frame& frame : Frames(watcher_)) {
      EXPECT_EQ(frame.type(), "hub:presence");
      EXPECT_EQ(frame["from"], R"("cloudflare/signal-hub")");
      EXPECT_EQ(frame["to"], R"("browser/watcher")");
      EXPECT_EQ(frame["payload.at"], std::to_string(hub().now_ms()));
      EXPECT_EQ(frame["metadata.topic"], R"("hub/presence")");
      told.push_back(frame.String("payload.actorAddress") + " " + frame.String("payload.event"));
    }
    return told;
  }
  ConnectionId Come(const std::string& token, Frame* connected) {
    const ConnectionId client = hub().ClientConnects();
    const std::string resume = token.empty() ? "" : R"(,"resumeToken":")" + token + "\"";
    *connected = Ask(client, "hub:connect", "browser/me", R"({"version":"1.0")" + resume + "}");
    return client;
  }

  const ConnectionId watcher_ = Actor("browser/watcher");
};

TEST_F(PresenceTest, WhoTakesAnAddressOverFromASocketThatIsOpenJoinsOnce) {
  Frame connected;
  const ConnectionId me = Come("", &connected);
  Register(me, "browser/me");
  EXPECT_THAT(Told(), ElementsAre("browser/me joined"));
  const ConnectionId next = Come("", &connected);
  Register(next, "browser/me");
  EXPECT_EQ(Frames(me).back().type(), "hub:disconnect");
  EXPECT_THAT(Told(), ElementsAre("browser/me lost", "browser/me joined"));
}

TEST_F(PresenceTest, ASessionsLife) {
  Frame connected;
  const ConnectionId me = Come("", &connected);
  EXPECT_THAT(Told(), IsEmpty());
  Register(me, "browser/me");
  EXPECT_THAT(Told(), ElementsAre("browser/me joined"));
  Register(me, "browser/me");
  EXPECT_THAT(Told(), IsEmpty()) << "it was there already";
  hub().ConnectionBreaks(me);
  EXPECT_THAT(Told(), ElementsAre("browser/me lost"));
  hub().Sleep();
  const ConnectionId again = Come(connected.String("payload.resumeToken"), &connected);
  EXPECT_THAT(Told(), ElementsAre("browser/me resumed"));
  Register(again, "browser/me-too");
  EXPECT_THAT(Told(), ElementsAre("browser/me-too joined"));
  hub().ClientCloses(again);
  EXPECT_THAT(Told(), ElementsAre("browser/me left", "browser/me-too left"));
}

TEST_F(PresenceTest, LeavesOfOtherKinds) {
  const ConnectionId a = Actor("browser/a");
  const ConnectionId b = Actor("browser/b");
  const ConnectionId c = hub().ClientConnects();
  Register(c, "browser/c", R"(,"ttl":1000)");
  Told();
  Ask(a, "hub:unregister", "browser/a", R"({"actorAddress":"browser/a"})");
  EXPECT_THAT(Told(), ElementsAre("browser/a left"));
  hub().Advance(1000);
  EXPECT_TRUE(hub().RunDueAlarm());
  EXPECT_THAT(Told(), ElementsAre("browser/c left"));
  hub().ConnectionBreaks(b);
  EXPECT_THAT(Told(), ElementsAre("browser/b lost"));
  hub().Advance(120'000);
  EXPECT_TRUE(hub().RunDueAlarm());
  EXPECT_THAT(Told(), ElementsAre("browser/b left"));
}

TEST_F(PresenceTest, WhoIsOnlineCanBeAsked) {
  const ConnectionId b = Actor("browser/b");
  hub().ConnectionBreaks(b);
  Told();
  const auto found = [this](const std::string& more) {
    const Frame reply =
        Ask(watcher_, "hub:discover", "browser/watcher", R"({"pattern":"browser/*")" + more + "}");
    EXPECT_EQ(reply.type(), "hub:discovery_result");
    return reply["payload.totalMatches"];
  };
  EXPECT_EQ(found(""), "2");
  EXPECT_EQ(found(R"(,"online":true)"), "1");
  EXPECT_EQ(found(R"(,"online":false)"), "1");
  const Frame listed = Ask(watcher_, "hub:list_actors", "browser/watcher", "{}");
  EXPECT_THAT(listed.text, testing::HasSubstr(R"("online":false)"));
  EXPECT_THAT(listed.text, testing::HasSubstr(R"("online":true)"));
}

TEST_F(PresenceTest, NobodyElsePublishesThere) {
  const Frame reply =
      Ask(watcher_, "hub:publish", "browser/watcher", R"({"topic":"hub/presence","type":"x"})");
  EXPECT_EQ(reply.String("payload.code"), "unauthorized");
}

TEST_F(PresenceTest, ARequestWhoseAnswerCouldNotComeFailsAtOnce) {
  const ConnectionId asker = hub().ClientConnects();
  const std::string request =
      R"({"id":"1","type":"hub:send","from":"browser/asker","to":"cloudflare/signal-hub",)"
      R"("payload":{"to":"browser/watcher","type":"add","data":1},"pattern":"ask",)"
      R"("metadata":{"request":true}})";
  hub().ClientSends(asker, request);
  const Frame refused = One(asker);
  EXPECT_EQ(refused.String("payload.code"), "unknown_actor");
  EXPECT_THAT(refused.String("payload.message"), testing::HasSubstr("browser/asker is not registered"));
  EXPECT_THAT(Frames(watcher_), IsEmpty());
  Register(asker, "browser/asker");
  Told();
  hub().ClientSends(asker, request);
  EXPECT_EQ(One(asker).type(), "hub:delivery_ack");
  EXPECT_EQ(One(watcher_).type(), "add");
}

}  // namespace
}  // namespace dormouse::signal
