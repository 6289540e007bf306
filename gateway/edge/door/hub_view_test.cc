#include "gateway/edge/door/hub_view.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kNow[] = "Dormouse-Sleep: now\r\n";

class HubViewTest : public EdgeServerTest {
 protected:
  void StartWithView(EdgeServer::Config config = {}) {
    config.http.hub_view = true;
    Start("", config);
  }
  TestClient Ask(std::string_view path, std::string_view method = "GET",
                 std::string_view headers = "") const {
    TestClient client(port());
    client.SendRaw(fmt::format("{} {} HTTP/1.1\r\nHost: h\r\n{}\r\n", method, path, headers));
    return client;
  }
  // The whole answer to one that needs no statekeeper.
  std::string Say(std::string_view path, std::string_view method = "GET",
                  std::string_view headers = "") const {
    return ReadAll(Ask(path, method, headers));
  }
  static std::string ReadAll(TestClient client) { return client.ReadRest(); }
};

TEST_F(HubViewTest, IsNotThereUnlessWanted) {
  Start();
  EXPECT_THAT(Say("/hub-view"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Say("/hub-view/room"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Say("/hub-view/room", "POST", kNow), StartsWith("HTTP/1.1 405 "));
}

TEST_F(HubViewTest, ListsTheRoutesOfTheClasses) {
  StartWithView();
  EXPECT_THAT(Say("/hub-view"), HasSubstr(R"({"classes":[{"name":"plain","routes":["/plain/{name}"]},)"
                                          R"({"name":"room","routes":["/","/room","/room/{name}"]}]})"));
}

TEST_F(HubViewTest, SaysWhatItIsAskedWith) {
  StartWithView();
  EXPECT_THAT(Say("/hub-view/room", "PUT"),
              testing::AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: GET, POST\r\n")));
}

TEST_F(HubViewTest, SaysWhatTheOwnerSays) {
  StartWithView();
  TestClient asleep = Ask("/hub-view/room/kitchen");
  EXPECT_EQ(links_->WaitForLook(0).hub, "room/kitchen");
  links_->AnswerLook(1, {});
  EXPECT_THAT(ReadAll(std::move(asleep)),
              HasSubstr(R"({"hub":"room/kitchen","awake":false,"awakeMs":0,"idleMs":0,"bytes":0,"wakeUs":0,)"
                        R"("statekeeper":"0000000000000abc"})"));
  TestClient awake = Ask("/hub-view/plain/a%62");
  EXPECT_EQ(links_->WaitForLook(1).hub, "plain/ab");
  link::Look look;
  look.set_awake(true);
  look.set_awake_ms(1200);
  look.set_idle_ms(7);
  look.set_bytes(4096);
  look.set_wake_us(310);
  links_->AnswerLook(2, look);
  EXPECT_THAT(ReadAll(std::move(awake)),
              HasSubstr(R"("awake":true,"awakeMs":1200,"idleMs":7,"bytes":4096,"wakeUs":310,)"));
  EXPECT_EQ(links_->event_count(), 0);  // nothing that would wake it
}

TEST_F(HubViewTest, LetsAHubSleepForPagesOfItsOwnOnly) {
  StartWithView();
  EXPECT_THAT(Say("/hub-view/room", "POST"), StartsWith("HTTP/1.1 400 "));
  TestClient client = Ask("/hub-view/room", "POST", kNow);
  EXPECT_TRUE(links_->WaitForLook(0).sleep);
  link::Look busy;
  busy.set_status(link::Look::BUSY);
  links_->AnswerLook(1, busy);
  EXPECT_THAT(ReadAll(std::move(client)), StartsWith("HTTP/1.1 409 "));
}

TEST_F(HubViewTest, AsksNobodyAboutWhatIsNoHub) {
  StartWithView();
  for (const char* path :
       {"/hub-view/nowhere", "/hub-view/room/", "/hub-view/room/a%2fb", "/hub-view/plain"}) {
    EXPECT_THAT(Say(path), StartsWith("HTTP/1.1 404 ")) << path;
  }
  EXPECT_THAT(Say("/hub-viewer"),
              HasSubstr("There is nothing at /hub-viewer. WebSockets open at /plain/NAME (class plain), "
                        "/, /room, /room/NAME (class room); the web client is at /."));
}

TEST_F(HubViewTest, AnswersInTimeWhenTheOwnerDoesNot) {
  StartWithView();
  links_->SetReady(false);
  EXPECT_THAT(Say("/hub-view/room"), StartsWith("HTTP/1.1 503 "));
  links_->SetReady(true);
  EXPECT_THAT(Say("/hub-view/room"), StartsWith("HTTP/1.1 503 "));  // after a while
  EXPECT_EQ(links_->open_looks(), 0);
}

TEST_F(HubViewTest, BoundsWhatAllThatLookCost) {
  StartWithView();
  std::vector<TestClient> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(Ask("/hub-view/room"));
  EXPECT_EQ(links_->WaitForLook(63).hub, "room/lobby");
  EXPECT_THAT(Say("/hub-view/room"), StartsWith("HTTP/1.1 503 "));
  for (uint64_t number = 1; number <= 64; ++number) links_->AnswerLook(number, {});
  for (TestClient& client : waiting) EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 "));
  std::string said;
  for (int i = 0; i < 1000 && !said.starts_with("HTTP/1.1 429 "); ++i) {
    TestClient client = Ask("/hub-view/room");
    links_->Run([] {});
    links_->AnswerLook(65 + static_cast<uint64_t>(i), {});
    said = client.ReadHead();
  }
  EXPECT_THAT(said, StartsWith("HTTP/1.1 429 "));
}

TEST_F(HubViewTest, AsksForTheTokenAndTheOriginThatSocketsNeed) {
  const FakeAuthority authority;
  EdgeServer::Config config;
  config.http.upgrades.tokens = &authority;
  std::string wrong;
  config.http.upgrades.origins = *OriginList::Parse({"https://app.example"}, &wrong);
  StartWithView(config);
  EXPECT_THAT(Say("/hub-view/room"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Say("/hub-view"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Say("/hub-view/room", "POST", std::string(kNow) + "Origin: https://evil.example\r\n"),
              StartsWith("HTTP/1.1 403 "));
}

}  // namespace
}  // namespace dormouse::edge
