#include "statekeeper/classes/signal/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Runs a function as the hub's handler: writing needs one.
class StageHub : public Hub {
 public:
  explicit StageHub(const std::function<void()>* step) : step_(step) {}
  void OnMessage(Context&, const Connection&, const Message&) override { (*step_)(); }

 private:
  const std::function<void()>* step_;
};
class StageClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<StageHub>(&step); }
  std::function<void()> step;

 private:
  link::ClassProfile profile_;
};

class RegistryTest : public testing::Test {
 protected:
  void Run(std::function<void()> step) {
    class_.step = std::move(step);
    hub_.ClientSends(alice_, "go");
  }
  Registration Make(const ConnectionId& connection, int64_t ttl_ms) {
    Registration registration;
    registration.set_connection(connection.ToBytes());
    registration.set_expires_ms(hub_.now_ms() + ttl_ms);
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

  StageClass class_;
  FakeContext hub_{class_};
  Registry registry_{hub_};
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

TEST_F(RegistryTest, ReplacingLeavesNoRowOfTheOld) {
  Put("a/1", alice_, 1000);
  const size_t rows = hub_.rows().size();
  Put("a/1", bob_, 2000);
  EXPECT_EQ(hub_.rows().size(), rows);
  EXPECT_EQ(registry_.Count(), 1u);
  Run([&] { registry_.RemoveAllOf(alice_); });
  EXPECT_TRUE(registry_.Find("a/1").has_value()) << "it is bob's now";
  Run([&] { registry_.Remove("a/1", *registry_.Find("a/1")); });
  EXPECT_THAT(hub_.rows(), IsEmpty());
  EXPECT_FALSE(hub_.alarm().has_value()) << "nothing left to expire";
}

TEST_F(RegistryTest, ASessionsEndTouchesItsOwnRowsOnly) {
  for (int i = 0; i < 200; ++i) Put("b/" + std::to_string(i), bob_, 1000);
  Put("a/1", alice_, 1000);
  Put("a/2", alice_, 1000);
  Run([&] { registry_.RemoveAllOf(alice_); });
  EXPECT_LE(hub_.rows_read(), 4u);
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

TEST_F(RegistryTest, TheExpiredAreInvisibleAtOnceAndRemovedByTheAlarm) {
  Put("a/1", alice_, 1000);
  Put("a/2", alice_, 5000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 1000);
  hub_.Advance(1000);
  EXPECT_FALSE(registry_.Find("a/1").has_value());
  EXPECT_TRUE(registry_.FindEvenExpired("a/1").has_value());
  EXPECT_THAT(Listed(), ElementsAre("a/2"));
  EXPECT_EQ(registry_.Count(), 1u);
  EXPECT_EQ(registry_.row_count(), 2u);
  Run([&] { registry_.RemoveExpired(10); });
  EXPECT_EQ(registry_.row_count(), 1u);
  EXPECT_FALSE(registry_.FindEvenExpired("a/1").has_value());
  EXPECT_EQ(hub_.rows().size(), 4u);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 4000);
}

TEST_F(RegistryTest, AnAlarmRunIsBoundedAndGoesOnAtOnce) {
  for (int i = 0; i < 25; ++i) Put("a/" + std::to_string(i), alice_, 1000);
  hub_.Advance(2000);
  Run([&] { registry_.RemoveExpired(10); });
  EXPECT_EQ(registry_.row_count(), 15u);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms());
  Run([&] { registry_.RemoveExpired(10); });
  Run([&] { registry_.RemoveExpired(10); });
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
