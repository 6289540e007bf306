#include "statekeeper/classes/signal/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/auth/secrets.h"
#include "statekeeper/classes/testing/stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RegistryTest : public testing::Test {
 protected:
  void Run(std::function<void()> step) { stage_.Run(std::move(step)); }
  Registration Make(const ConnectionId& connection, int64_t ttl_ms) {
    Registration registration;
    registration.set_connection(connection.ToBytes());
    registration.set_expires_ms(hub_.now_ms() + ttl_ms);
    registration.set_ttl_ms(ttl_ms);
    return registration;
  }
  void Put(const std::string& address, const ConnectionId& connection, int64_t ttl_ms) {
    Run([&] { registry_.Put(address, Make(connection, ttl_ms), registry_.FindEvenExpired(address)); });
  }
  std::vector<std::string> Listed(std::string_view prefix = "") {
    std::vector<std::string> addresses;
    registry_.ForEach(prefix, [&](std::string_view address, const Registration&) {
      addresses.emplace_back(address);
      return true;
    });
    return addresses;
  }

  Stage stage_;
  FakeContext& hub_ = stage_.context();
  HubMemory memory_;
  Registry registry_{hub_, memory_};
  const ConnectionId alice_ = hub_.ClientConnects();
  const ConnectionId bob_ = hub_.ClientConnects();
};

TEST_F(RegistryTest, FindsCountsAndListsByAddress) {
  Put("b/2", alice_, 1000);
  Put("a/1", bob_, 1000);
  Put("b/1", bob_, 1000);
  EXPECT_EQ(ConnectionOf(*registry_.Find("b/2")), alice_);
  EXPECT_FALSE(registry_.Find("b").has_value());
  EXPECT_EQ(registry_.Count(), 3u);
  EXPECT_THAT(Listed(), ElementsAre("a/1", "b/1", "b/2"));
  EXPECT_THAT(Listed("b/"), ElementsAre("b/1", "b/2"));
}

// Rows of an earlier version.
TEST_F(RegistryTest, TokensThatLieThereThemselvesAreReadAsTheirHashesAndGo) {
  Registration plain;
  plain.set_connection(alice_.ToBytes());
  plain.set_expires_ms(hub_.now_ms() + 1000);
  plain.set_ttl_ms(1000);
  plain.set_plain_token("secret.a/1");
  plain.set_plain_used_token("before.a/1");
  Run([&] {
    registry_.Put("a/1", {}, std::nullopt);
    hub_.Put("a/a/1", plain.SerializeAsString());
    hub_.Put("s/" + alice_.ToString() + "/a/a/1", std::to_string(plain.expires_ms()));
  });
  const auto read = registry_.Find("a/1");
  ASSERT_TRUE(read.has_value());
  EXPECT_THAT(read->token_hash(), ElementsAre(Sha256("secret.a/1")));
  EXPECT_EQ(read->used_token_hash(), Sha256("before.a/1"));
  Run([&] { registry_.MoveSome(alice_, bob_, 10); });
  EXPECT_EQ(hub_.rows().at("a/a/1").find("secret"), std::string::npos);
  EXPECT_EQ(hub_.rows().at("a/a/1").find("before"), std::string::npos);
  EXPECT_THAT(registry_.Find("a/1")->token_hash(), ElementsAre(Sha256("secret.a/1")));
}

TEST_F(RegistryTest, ReplacingLeavesNoRowOfTheOld) {
  Put("a/1", alice_, 1000);
  const size_t rows = hub_.rows().size();
  Put("a/1", bob_, 2000);
  EXPECT_EQ(hub_.rows().size(), rows);
  EXPECT_EQ(registry_.Count(), 1u);
  Run([&] { registry_.RemoveSomeOf(alice_, 100); });
  EXPECT_TRUE(registry_.Find("a/1").has_value()) << "it is bob's now";
  Run([&] { registry_.Remove("a/1", *registry_.Find("a/1")); });
  EXPECT_THAT(hub_.rows(), IsEmpty());
  EXPECT_FALSE(hub_.alarm().has_value()) << "nothing left to expire";
}

TEST_F(RegistryTest, ASessionsEndTouchesItsOwnRowsOnly) {
  for (int i = 0; i < 200; ++i) Put("b/" + std::to_string(i), bob_, 1000);
  Put("a/1", alice_, 1000);
  Put("a/2", alice_, 1000);
  Run([&] { registry_.RemoveSomeOf(alice_, 100); });
  EXPECT_LE(hub_.rows_read(), 5u);
  EXPECT_LE(hub_.rows_written(), 7u);
  EXPECT_EQ(registry_.Count(), 200u);
  EXPECT_EQ(Listed().size(), 200u);
}

TEST_F(RegistryTest, PuttingOneReadsAndWritesAFewRowsHoweverManyThereAre) {
  for (int i = 0; i < 200; ++i) Put("b/" + std::to_string(i), bob_, 1000);
  Put("a/1", alice_, 1000);
  EXPECT_LE(hub_.rows_read(), 3u);
  EXPECT_LE(hub_.rows_written(), 4u);
}

TEST_F(RegistryTest, WithASocketTheEdgeDecides) {
  Put("a/1", alice_, 1000);
  const auto at_deadline = [this] {
    std::vector<ConnectionId> to_ask;
    Run([&] { registry_.OnDeadline("a/1", &to_ask); });
    return to_ask;
  };
  const auto seen = [this](int64_t at_ms) {
    Connection connection = *hub_.FindConnection(alice_);
    connection.last_seen_ms = at_ms;
    Run([&] { registry_.OnSeen(connection); });
  };
  hub_.Advance(1000);
  EXPECT_TRUE(registry_.Find("a/1").has_value()) << "nobody has looked yet";
  EXPECT_THAT(at_deadline(), ElementsAre(alice_));
  seen(hub_.now_ms() - 400);
  EXPECT_EQ(registry_.Find("a/1")->expires_ms(), hub_.now_ms() + 600);
  hub_.Advance(600);
  EXPECT_THAT(at_deadline(), ElementsAre(alice_));
  hub_.Advance(5000);
  EXPECT_THAT(at_deadline(), ElementsAre(alice_)) << "there was no answer";
  EXPECT_EQ(registry_.Count(), 1u);
  seen(hub_.now_ms() - 1000);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(RegistryTest, ALongTtlNeedsNoDeadlineWhileThereIsASocket) {
  memory_.heard_within_ms = 120'000;
  Put("a/1", alice_, 300'000);  // as an earlier version wrote it
  hub_.Advance(300'000);
  std::vector<ConnectionId> to_ask;
  Run([&] { registry_.OnDeadline("a/1", &to_ask); });
  EXPECT_THAT(to_ask, IsEmpty());
  EXPECT_EQ(registry_.Find("a/1")->expires_ms(), 0);
  EXPECT_THAT(hub_.KeysWithPrefix("x/"), IsEmpty());

  Connection lost = *hub_.FindConnection(alice_);
  lost.last_seen_ms = hub_.now_ms() - 290'000;
  Run([&] { registry_.OnSocketLost(lost, 120'000); });
  memory_.absent.Add(alice_, alice_, /*ended=*/false);
  EXPECT_EQ(registry_.Find("a/1")->expires_ms(), hub_.now_ms() + 10'000);
  hub_.Advance(10'000);
  EXPECT_FALSE(registry_.Find("a/1").has_value());
  EXPECT_EQ(registry_.Count(), 0u);
}

TEST_F(RegistryTest, TheExpiredWithoutASocketAreInvisibleAtOnceAndRemovedByTheAlarm) {
  memory_.absent.Add(alice_, alice_, /*ended=*/false);
  Put("a/1", alice_, 1000);
  Put("a/2", alice_, 5000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 1000);
  hub_.Advance(1000);
  EXPECT_FALSE(registry_.Find("a/1").has_value());
  EXPECT_TRUE(registry_.FindEvenExpired("a/1").has_value());
  EXPECT_THAT(Listed(), ElementsAre("a/2"));
  EXPECT_EQ(registry_.Count(), 1u);
  EXPECT_EQ(registry_.row_count(), 2u);
  std::vector<ConnectionId> to_ask;
  Run([&] {
    for (const char* address : {"a/1", "a/2", "a/3"}) registry_.OnDeadline(address, &to_ask);
  });
  EXPECT_THAT(to_ask, IsEmpty());
  EXPECT_EQ(registry_.row_count(), 1u);
  EXPECT_FALSE(registry_.FindEvenExpired("a/1").has_value());
  EXPECT_EQ(hub_.rows().size(), 4u);
}

TEST_F(RegistryTest, WhatIsOfAnEndedSessionIsInvisible) {
  Put("a/1", alice_, 1000);
  Put("a/2", alice_, 1000);
  Put("b/1", bob_, 1000);
  memory_.absent.Add(alice_, alice_, /*ended=*/true);
  EXPECT_FALSE(registry_.Find("a/1").has_value());
  EXPECT_THAT(Listed(), ElementsAre("b/1"));
  EXPECT_EQ(registry_.Count(), 1u);
  EXPECT_EQ(registry_.row_count(), 3u);
  Put("a/2", bob_, 1000);  // anybody may have its addresses
  size_t removed = 0;
  Run([&] { removed = registry_.RemoveSomeOf(alice_, 10); });
  EXPECT_EQ(removed, 1u);
  EXPECT_THAT(Listed(), ElementsAre("a/2", "b/1"));
  EXPECT_EQ(registry_.Count(), 2u);
}

TEST_F(RegistryTest, MovesAndRemovesInSteps) {
  for (int i = 0; i < 25; ++i) Put("a/" + std::to_string(i), alice_, 1000);
  const auto before = hub_.rows();
  size_t count = 0;
  Run([&] { count = registry_.MoveSome(alice_, bob_, 10); });
  EXPECT_EQ(count, 10u);
  EXPECT_EQ(hub_.KeysWithPrefix("s/" + alice_.ToString()).size(), 15u);
  EXPECT_EQ(hub_.KeysWithPrefix("s/" + bob_.ToString()).size(), 10u);
  Run([&] { count = registry_.MoveSome(alice_, bob_, 20); });
  EXPECT_EQ(count, 15u);
  EXPECT_EQ(ConnectionOf(*registry_.Find("a/7")), bob_);
  EXPECT_EQ(hub_.rows().size(), before.size());
  Run([&] { count = registry_.RemoveSomeOf(alice_, 10); });
  EXPECT_EQ(count, 0u);
  Run([&] { count = registry_.RemoveSomeOf(bob_, 10); });
  EXPECT_EQ(registry_.row_count(), 15u);
  Run([&] { count = registry_.RemoveSomeOf(bob_, 100); });
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(RegistryTest, AnEarlierExpiryBringsTheAlarmForward) {
  Put("a/1", alice_, 5000);
  Put("a/2", alice_, 1000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 1000);
  Put("a/3", alice_, 3000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 1000);
}

}  // namespace
}  // namespace dormouse::signal
