#include "statekeeper/runtime/lane/operator_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;

class OperatorCallsTest : public testing::Test {
 protected:
  OperatorCallsTest() { lane_.Serve(); }
  void Wake(const std::string& hub) {
    lane_.Open(hub);
    lane_.Settle();
  }
  OperatorStatus Hibernate(const std::string& hub) {
    std::optional<OperatorStatus> answer;
    lane_.host().operators().HibernateHub(hub, [&](OperatorStatus status) { answer = status; });
    lane_.Settle();
    return answer.value();
  }

  HostedLane lane_;
};

TEST_F(OperatorCallsTest, AHubIsPutToSleepAndOneThatNobodyKnowsIsNot) {
  Wake("test/a");
  EXPECT_EQ(Hibernate("test/a"), OperatorStatus::kOk);
  EXPECT_EQ(lane_.Find("test/a"), nullptr);
  EXPECT_EQ(Hibernate("test/a"), OperatorStatus::kOk) << "it sleeps";
  EXPECT_EQ(Hibernate("test/never"), OperatorStatus::kNoSuchHub);
  EXPECT_EQ(Hibernate("nothing/a"), OperatorStatus::kNoSuchHub);
}

TEST_F(OperatorCallsTest, WhatIsNotServedHereIsSaid) {
  lane_.lease.Renew(0);
  EXPECT_EQ(Hibernate("test/a"), OperatorStatus::kNotOwner);
}

TEST_F(OperatorCallsTest, HubsAreListedWhetherTheySleepOrNot) {
  std::string other = "test/0";
  for (int i = 1; HostedLane::ShardOfHub(other) != HostedLane::ShardOfHub("test/a"); ++i)
    other = "test/" + std::to_string(i);
  Wake("test/a");
  lane_.store->hubs[other][kMetaRow] = "";
  std::vector<std::pair<std::string, bool>> found;
  lane_.host().operators().ListHubs(HostedLane::ShardOfHub(other), "", 10,
                                    [&](OperatorStatus, const std::vector<HubSummary>& hubs) {
                                      for (const HubSummary& hub : hubs)
                                        found.emplace_back(hub.hub, hub.awake);
                                    });
  lane_.Settle();
  EXPECT_THAT(found, ElementsAre(std::pair(other, false), std::pair("test/a", true)));
}

TEST_F(OperatorCallsTest, AllSocketsOfAHubAreClosedAndItSleeps) {
  Wake("test/a");
  lane_.links->released.clear();
  std::optional<OperatorStatus> answer;
  lane_.host().operators().CloseHub("test/a", [&](OperatorStatus status) { answer = status; });
  lane_.Settle();
  EXPECT_EQ(answer, OperatorStatus::kOk);
  EXPECT_EQ(lane_.Find("test/a"), nullptr);
  size_t closes = 0;
  for (const EventOutput& output : lane_.links->released) {
    for (const Output& each : output.outputs) closes += each.kind == DeliveryKind::kClose ? 1 : 0;
  }
  EXPECT_EQ(closes, 1u);
}

TEST_F(OperatorCallsTest, WhoLooksAtAHubDoesNotWakeIt) {
  std::optional<link::Look> look;
  const auto answer = [&](const link::Look& said) { look = said; };
  lane_.host().operators().LookAt("test/a", false, answer);
  EXPECT_FALSE(look.value().awake());
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
  Wake("test/a");
  lane_.host().operators().LookAt("test/a", false, answer);
  EXPECT_TRUE(look->awake());
  EXPECT_GT(look->bytes(), sizeof(AwakeHub));
  EXPECT_GT(look->wake_us(), 0u);
  lane_.host().operators().LookAt("test/a", true, answer);
  lane_.Settle();
  EXPECT_FALSE(look->awake());
}

}  // namespace
}  // namespace dormouse
