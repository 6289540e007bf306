// hub:discover and hub:list_actors, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/testing/protocol_stage.h"

namespace dormouse::signal {
namespace {

using testing::SizeIs;

class DiscoveryMessagesTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, DiscoveryMessagesTest, kStyles, NameOfStyle);

TEST_P(DiscoveryMessagesTest, Discover) {
  const ConnectionId client = Connect();
  Register(client, "browser/a", R"(,"metadata":{"zone":"eu","n":1.0,"o":{"x":[1]}})");
  Register(client, "browser/b", R"(,"metadata":{"zone":"us"})");
  Ask(client, "hub:register", "x/y", R"({"actorAddress":"worker/c","capabilities":["chat","gpu"]})");
  const auto find = [&](const std::string& payload) {
    return Addresses(Ask(client, "hub:discover", "x/y", payload));
  };
  const std::string a = A("browser/a") + " ";
  const std::string b = A("browser/b") + " ";
  const std::string c = A("worker/c") + " ";

  const Frame reply = Ask(client, "hub:discover", "x/y", R"({"pattern":"browser/a"})");
  EXPECT_EQ(reply.type(), legacy() ? "hub:discovered" : "hub:discovery_result");
  EXPECT_EQ(reply["payload"],
            R"({"actors":[{"address":)" + Q("browser/a") + R"(,"actorAddress":)" + Q("browser/a") +
                R"(,"capabilities":["chat"],"metadata":{"zone":"eu","n":1.0,"o":{"x":[1]}},"registeredAt":)" +
                std::to_string(hub_.now_ms()) +
                R"(,"online":true}],"count":1,"hasMore":false,"totalMatches":1})");

  EXPECT_EQ(find("null"), a + b + c);
  EXPECT_EQ(find(R"({"pattern":"*"})"), a + b + c);
  EXPECT_EQ(find(R"({"pattern":"browser/*"})"), a + b);
  EXPECT_EQ(find(R"j({"pattern":"@(*/c)"})j"), c);
  EXPECT_EQ(find(R"({"capability":"gpu"})"), c);
  EXPECT_EQ(find(R"({"capabilities":["gpu","chat"]})"), c);
  EXPECT_EQ(find(R"({"capabilities":["gpu","none"]})"), "");
  EXPECT_EQ(find(R"({"metadata":{"zone":"\u0065u","n":1}})"), a);
  EXPECT_EQ(find(R"({"metadata":{"zone":"eu","n":2}})"), "");
  EXPECT_EQ(find(R"({"metadata":{"o":{"x":[1]}}})"), a);
  EXPECT_EQ(find(R"({"pattern":"^@\\((browser|worker)/[bc]"})"), legacy() ? "" : b + c);
  for (const char* bad :
       {R"({"pattern":7})", R"({"pattern":""})", R"({"capability":7})", R"({"capabilities":[7]})",
        R"({"metadata":[]})", R"({"limit":"5"})", R"({"offset":[]})"}) {
    ExpectError(Ask(client, "hub:discover", "x/y", bad), "internal_error");
  }
  if (!legacy()) ExpectError(Ask(client, "hub:discover", "x/y", R"({"pattern":"("})"), "internal_error");
}

TEST_P(DiscoveryMessagesTest, DiscoveryAndListingComeInPages) {
  const ConnectionId client = Connect();
  for (int i = 100; i < 230; ++i) Register(client, "a/" + std::to_string(i));
  const auto page = [&](const std::string& type, const std::string& payload) {
    return Ask(client, type, "x/y", payload);
  };
  const Frame all = page("hub:discover", R"({"limit":5000})");
  EXPECT_EQ(all.Number("payload.count"), legacy() ? 100 : 130);
  EXPECT_EQ(all["payload.hasMore"], legacy() ? "true" : "false");
  EXPECT_EQ(page("hub:discover", "{}").Number("payload.count"), 100);
  const Frame middle = page("hub:discover", R"({"limit":2,"offset":10})");
  EXPECT_EQ(Addresses(middle), A("a/110") + " " + A("a/111") + " ");
  EXPECT_EQ(middle.Number("payload.totalMatches"), 130);
  EXPECT_EQ(middle["payload.hasMore"], "true");

  const Frame listed = page("hub:list_actors", R"({"limit":5000,"offset":50})");
  EXPECT_EQ(listed.type(), "hub:actor_list");
  EXPECT_EQ(listed.Number("payload.total"), 130);
  EXPECT_EQ(listed.Number("payload.offset"), 50);
  EXPECT_EQ(listed.Number("payload.limit"), legacy() ? 100 : 1000);
  EXPECT_EQ(listed["payload.hasMore"], "false");
  const std::string actors = listed["payload.actors"];
  EXPECT_THAT(*JsonElements(actors), SizeIs(80));
  const Frame first{std::string(JsonElements(actors)->at(0))};
  EXPECT_EQ(first.String("actorAddress"), A("a/150"));
  EXPECT_EQ(first.Number("version"), 1);
  EXPECT_EQ(first.Number("expiresAt"), static_cast<double>(hub_.now_ms()) + 300'000);
  EXPECT_EQ(first.text.find("oken"), std::string::npos) << "no renewal token leaves the hub";
  const Frame more = page("hub:list_actors", R"({"limit":10})");
  EXPECT_EQ(more["payload.hasMore"], "true");
  EXPECT_LT(hub_.rows_read(), 20u) << "the rest is not read";
  EXPECT_EQ(page("hub:list_actors", R"({"offset":999})")["payload.actors"], "[]");
  ExpectError(page("hub:list_actors", R"({"limit":{}})"), "internal_error");
}

}  // namespace
}  // namespace dormouse::signal
