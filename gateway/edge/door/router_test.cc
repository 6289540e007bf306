#include "gateway/edge/door/router.h"

#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

using Result = Router::Result;

link::ClassProfile Profile(const std::string& name,
                           const std::vector<std::pair<std::string, std::string>>& routes) {
  link::ClassProfile profile;
  profile.set_name(name);
  for (const auto& [path, hub_name] : routes) {
    link::Route* route = profile.add_routes();
    route->set_path(path);
    route->set_hub_name(hub_name);
  }
  return profile;
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router.SetProfiles({Profile("echo", {{"/websocket", "test-room"}, {"/websocket/{name}", ""}}),
                        Profile("signal", {{"/", "default"}, {"/ws", "default"}, {"/ws/{name}", ""}})});
  }
  std::string Hub(std::string_view path) const { return router.Find(path).hub; }
  Router router;
};

TEST_F(RouterTest, LeadsToTheHubsOfTheProtocol) {
  EXPECT_EQ(Hub("/websocket"), "echo/test-room");
  EXPECT_EQ(Hub("/websocket/a.b_c~d-1"), "echo/a.b_c~d-1");
  EXPECT_EQ(Hub("/ws"), "signal/default");
  EXPECT_EQ(Hub("/ws/room"), "signal/room");
  EXPECT_EQ(Hub("/"), "signal/default");
  EXPECT_EQ(router.Find("/ws/room").hub_class->name(), "signal");
}

TEST_F(RouterTest, DecodesTheName) { EXPECT_EQ(Hub("/ws/%72oom%2D1"), "signal/room-1"); }

TEST_F(RouterTest, RefusesBadNames) {
  for (const std::string name :
       {"", "a%2Fb", "%", "%zz", "a b", "%20", "%00", "\xc3\xa9", ".", "..", "%2e%2E"}) {
    EXPECT_EQ(router.Find("/ws/" + name).result, Result::kBadName) << name;
  }
  EXPECT_EQ(router.Find("/ws/" + std::string(129, 'a')).result, Result::kBadName);
  EXPECT_EQ(router.Find("/ws/" + std::string(128, 'a')).result, Result::kFound);
}

TEST_F(RouterTest, KnowsNoOtherPath) {
  for (const char* path : {"/other", "/ws/a/b", "/WS", "//", "/websocket2", "/index.html"}) {
    EXPECT_EQ(router.Find(path).result, Result::kUnknownPath) << path;
  }
}

TEST_F(RouterTest, SaysInOneOrderWhatThereIs) {
  EXPECT_EQ(router.Describe(), "/websocket, /websocket/NAME (class echo), /, /ws, /ws/NAME (class signal)");
  EXPECT_EQ(router.routes(), (Router::Routes{{"echo", {"/websocket", "/websocket/{name}"}},
                                             {"signal", {"/", "/ws", "/ws/{name}"}}}));
  router.SetProfiles({});
  EXPECT_EQ(router.Describe(), "no path yet");
}

TEST_F(RouterTest, FindsHubsOfClassesThatAreThereByName) {
  const Router::Match match = router.FindHub("echo", "a.b");
  EXPECT_EQ(match.result, Result::kFound);
  EXPECT_EQ(match.hub, "echo/a.b");
  EXPECT_EQ(match.hub_class, router.Find("/websocket").hub_class);
  EXPECT_EQ(router.FindHub("echo", "a b").result, Result::kBadName);
  EXPECT_EQ(router.FindHub("nothing", "a").result, Result::kUnknownPath);
  router.SetProfiles({Profile("signal", {})});
  EXPECT_EQ(router.FindHub("signal", "a").result, Result::kFound) << "without a route";
  EXPECT_EQ(router.FindHub("echo", "a").result, Result::kUnknownPath) << "it has left";
}

TEST_F(RouterTest, NewProfilesReplaceRulesOfTheSameClass) {
  const HubClassEdge* signal = router.Find("/ws").hub_class;
  link::ClassProfile changed = Profile("signal", {{"/other", "x"}});
  changed.set_max_message_size(77);
  router.SetProfiles({changed});
  EXPECT_EQ(signal->rules().max_message_size, 77u);
  EXPECT_EQ(router.Find("/other").hub_class, signal);
  EXPECT_EQ(router.Find("/ws").result, Result::kUnknownPath);
}

}  // namespace
}  // namespace dormouse::edge
