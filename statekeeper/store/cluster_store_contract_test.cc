// What cluster_store.h promises, checked against each implementation; below that, what only a store that is
// shared can show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "common/clock.h"
#include "statekeeper/open_store.h"
#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/redis/redis_cluster_layout.h"
#include "statekeeper/store/redis/redis_layout.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kHub[] = "echo/room";
constexpr Duration kLongTtl{60'000};
constexpr uint32_t kMaxShards = 65'536;

// A statekeeper, as the store sees it.
struct Member {
  std::unique_ptr<StoreFactory> factory;
  std::unique_ptr<ClusterStore> cluster;
  std::unique_ptr<Store> store;
};

class ClusterStoreTest : public testing::Test {
 protected:
  Member Open(const std::string& owner) {
    config_.owner = owner;
    std::string error;
    Member member;
    member.factory = OpenStore(config_, &error);
    EXPECT_NE(member.factory, nullptr) << error;
    member.cluster = member.factory->NewClusterStore(loop_);
    member.store = member.factory->NewStore(loop_);
    return member;
  }

  std::pair<StoreStatus, SyncAnswer> TrySync(Member& member, uint64_t known = 0, Duration ttl = kLongTtl,
                                             const std::string& record = "record") {
    std::optional<std::pair<StoreStatus, SyncAnswer>> answer;
    member.cluster->Sync({record, ttl, known}, [&](StoreStatus status, SyncAnswer sync) {
      answer.emplace(status, std::move(sync));
    });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  SyncAnswer Sync(Member& member, uint64_t known = 0, Duration ttl = kLongTtl,
                  const std::string& record = "record") {
    auto [status, answer] = TrySync(member, known, ttl, record);
    EXPECT_EQ(status, StoreStatus::kOk);
    return answer;
  }
  std::vector<ShardRecord> Claim(Member& member, std::vector<ShardClaim> claims) {
    return dormouse::Claim(loop_, *member.cluster, std::move(claims));
  }
  StoreStatus Publish(Member& member, std::vector<ShardEntry> entries) {
    std::optional<StoreStatus> answer;
    member.cluster->Publish(std::move(entries), [&](StoreStatus status) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  StoreStatus Release(Member& member, std::vector<ShardEpoch> shards) {
    std::optional<StoreStatus> answer;
    member.cluster->Release(std::move(shards), [&](StoreStatus status) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  StoreStatus Leave(Member& member) {
    std::optional<StoreStatus> answer;
    member.cluster->Leave([&](StoreStatus status) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  std::pair<StoreStatus, std::optional<std::string>> GetValue(Member& member, const std::string& key) {
    std::optional<std::pair<StoreStatus, std::optional<std::string>>> answer;
    member.cluster->GetValue(key, [&](StoreStatus status, std::optional<std::string> value) {
      answer.emplace(status, std::move(value));
    });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  std::optional<std::string> Value(Member& member, const std::string& key) {
    auto [status, value] = GetValue(member, key);
    EXPECT_EQ(status, StoreStatus::kOk);
    return value;
  }
  StoreStatus PutValue(Member& member, const std::string& key, std::optional<std::string> value) {
    std::optional<StoreStatus> answer;
    member.cluster->PutValue(key, std::move(value), [&](StoreStatus status) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }
  // What is there afterwards.
  std::optional<std::string> Change(Member& member, ValueChange change) {
    std::optional<std::pair<StoreStatus, std::optional<std::string>>> answer;
    member.cluster->ChangeValue(std::move(change), [&](StoreStatus status, std::optional<std::string> value) {
      answer.emplace(status, std::move(value));
    });
    loop_.RunUntil([&] { return answer.has_value(); });
    EXPECT_EQ(answer->first, StoreStatus::kOk);
    return answer->second;
  }
  // Asks again and again, for as long as RunUntil waits, until the store's clock has moved on.
  static bool Poll(const std::function<bool()>& condition) {
    const int64_t deadline_ms = SteadyMs() + 20'000;
    while (SteadyMs() < deadline_ms) {
      if (condition()) return true;
    }
    return false;
  }
  static std::vector<std::string> Ids(const SyncAnswer& answer) {
    std::vector<std::string> ids;
    for (const MemberEntry& member : answer.members) ids.push_back(member.id);
    return ids;
  }

  TempDir directory_;
  std::optional<RedisServer> server_;
  StoreConfig config_;
  TestLoop loop_;
};

class ClusterStoreContractTest : public ClusterStoreTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "redis") server_.emplace();
    if (GetParam() == "redis_tls") {
      server_.emplace(RedisServer::Options{.tcp = true, .tls = TestServerTls()});
    }
    config_ = GetParam() == "redis_tls"
                  ? TestTlsConfig(server_->url())
                  : TestConfig(server_ ? server_->url() : "file:" + (directory_ / "store.db"));
    config_.timeout = Duration(60'000);  // beyond what RunUntil waits for: no deadline may help a call along
    us_ = Open("us");
  }
  // Makes another process of the store: a file has but one at a time.
  void Reopen(const std::string& owner) {
    us_ = {};
    us_ = Open(owner);
  }

  Member us_;
};

TEST_P(ClusterStoreContractTest, TheCallerIsAmongTheMembersWithWhatItSaysOfItself) {
  const std::string record("any\0bytes\xff", 10);
  SyncAnswer answer = Sync(us_, 0, kLongTtl, record);
  EXPECT_FALSE(answer.renewed) << "it is new";
  ASSERT_THAT(answer.members, SizeIs(1));
  EXPECT_EQ(answer.members[0].id, "us");
  EXPECT_EQ(answer.members[0].record, record);
  answer = Sync(us_, 0, kLongTtl, "");
  EXPECT_TRUE(answer.renewed);
  ASSERT_THAT(answer.members, SizeIs(1));
  EXPECT_EQ(answer.members[0].record, "");
}

TEST_P(ClusterStoreContractTest, WhoLeftOrLapsedIsNotRenewed) {
  EXPECT_FALSE(Sync(us_).renewed);
  EXPECT_EQ(Leave(us_), StoreStatus::kOk);
  EXPECT_FALSE(Sync(us_).renewed);
  EXPECT_TRUE(Sync(us_).renewed);
  EXPECT_EQ(Leave(us_), StoreStatus::kOk);
  EXPECT_EQ(Leave(us_), StoreStatus::kOk) << "leaving twice is no error";

  // Each renewal finds the entry of the one before it lapsed, once that took longer than a millisecond.
  Sync(us_, 0, Duration(1));
  EXPECT_TRUE(Poll([&] { return !Sync(us_, 0, Duration(1)).renewed; }));
}

TEST_P(ClusterStoreContractTest, AClaimSucceedsWhereTheEpochIsTheClaims) {
  const uint32_t first_epoch = FirstEpoch();
  const std::vector<ShardRecord> first = Claim(us_, {{3, 0}, {1, 0}, {2, 7}});
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_EQ(first[0].owner, "us");
  EXPECT_GE(first[0].epoch, first_epoch);
  EXPECT_LE(first[0].epoch, FirstEpoch());
  EXPECT_EQ(first[2].owner, "") << "nobody has owned it: its epoch is 0";
  EXPECT_EQ(first[2].epoch, 0u);

  Reopen("them");
  const uint32_t epoch = first[0].epoch;
  const std::vector<ShardRecord> second = Claim(us_, {{1, 0}, {3, epoch}, {1, epoch - 1}, {1, epoch + 1}});
  ASSERT_THAT(second, SizeIs(4));
  EXPECT_EQ(second[1].owner, "them");
  EXPECT_EQ(second[1].epoch, epoch + 1);
  for (const size_t refused : {0, 2, 3}) {
    EXPECT_EQ(second[refused].owner, "us") << refused;
    EXPECT_EQ(second[refused].epoch, first[1].epoch) << refused;
  }
  EXPECT_THAT(Claim(us_, {}), IsEmpty());
  EXPECT_EQ(Claim(us_, {{3, epoch + 1}}).at(0).epoch, epoch + 2) << "also from oneself";
}

TEST_P(ClusterStoreContractTest, AClaimCarriedOutTwiceRaisesTheEpochOnce) {
  const uint32_t epoch = Claim(us_, {{5, 0}}).at(0).epoch;
  for (int i = 0; i < 2; ++i) {
    const ShardRecord record = Claim(us_, {{5, epoch}}).at(0);
    EXPECT_EQ(record.owner, "us");
    EXPECT_EQ(record.epoch, epoch + 1);
    EXPECT_EQ(Claim(us_, {{5, 0}}).at(0).epoch, epoch + 1);
  }
}

TEST_P(ClusterStoreContractTest, ClaimsFromOwnersThatDidNotGiveAreCounted) {
  uint32_t epoch = Claim(us_, {{5, 0}}).at(0).epoch;
  const auto claim = [&](bool given) {
    const ShardRecord record = Claim(us_, {{5, epoch, given}}).at(0);
    EXPECT_EQ(record.epoch, epoch + 1);
    EXPECT_EQ(Claim(us_, {{5, epoch, given}}).at(0).crashes, record.crashes) << "carried out twice";
    epoch = record.epoch;
    return record.crashes;
  };
  EXPECT_EQ(claim(false), 0u) << "from oneself";
  Reopen("b");
  EXPECT_EQ(claim(false), 1u);
  Reopen("c");
  EXPECT_EQ(claim(false), 2u);
  Reopen("d");
  EXPECT_EQ(claim(true), 2u) << "given";
  Reopen("e");
  EXPECT_EQ(claim(false), 3u);
  EXPECT_EQ(Claim(us_, {{6, 0}}).at(0).crashes, 0u) << "of another shard";
}

TEST_P(ClusterStoreContractTest, AReleasedShardIsTakenWithoutACrash) {
  const uint32_t epoch = Claim(us_, {{1, 0}, {2, 0}}).at(0).epoch;
  EXPECT_EQ(Release(us_, {{1, epoch}, {2, epoch - 1}}), StoreStatus::kOk);
  Reopen("b");
  EXPECT_EQ(Release(us_, {{2, epoch}}), StoreStatus::kOk) << "of another: passed over";
  const std::vector<ShardRecord> taken = Claim(us_, {{1, epoch}, {2, epoch}});
  EXPECT_EQ(taken.at(0).crashes, 0u);
  EXPECT_EQ(taken.at(1).crashes, 1u);
  Reopen("c");
  EXPECT_EQ(Claim(us_, {{1, epoch + 1}}).at(0).crashes, 1u) << "it was released once";
  EXPECT_EQ(Release(us_, {}), StoreStatus::kOk);
}

TEST_P(ClusterStoreContractTest, AfterAClaimTheOwnerBeforeIsFenced) {
  const ShardId shard = ShardOf(kHub, kTestShards);
  const uint32_t ours = Claim(us_, {{shard, 0}}).at(0).epoch;
  EXPECT_EQ(Commit(loop_, *us_.store, Put(kHub, ours, "key", "ours")), StoreStatus::kOk);
  Reopen("them");
  const uint32_t theirs = Claim(us_, {{shard, ours}}).at(0).epoch;
  EXPECT_EQ(Commit(loop_, *us_.store, Put(kHub, theirs, "key", "theirs")), StoreStatus::kOk);
  Reopen("us");
  EXPECT_EQ(Commit(loop_, *us_.store, Put(kHub, ours, "key", "late")), StoreStatus::kFenced);
  EXPECT_EQ(Commit(loop_, *us_.store, Put(kHub, theirs, "key", "late")), StoreStatus::kFenced);
  EXPECT_THAT(Get(loop_, *us_.store, kHub, {"key"}).second, ElementsAre("theirs"));
}

TEST_P(ClusterStoreContractTest, SyncTellsWhatWasPublishedSinceTheKnownVersion) {
  SyncAnswer answer = Sync(us_);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, IsEmpty());

  const std::vector<ShardEntry> entries = {{9, 100, "us", ""}, {2, 50, "us", "them"}, {63, 7, "", ""}};
  ASSERT_EQ(Publish(us_, entries), StoreStatus::kOk);
  answer = Sync(us_, answer.version);
  EXPECT_THAT(answer.changed, UnorderedElementsAre(entries[0], entries[1], entries[2]));
  const uint64_t version = answer.version;

  answer = Sync(us_, version);
  EXPECT_EQ(answer.version, version);
  EXPECT_THAT(answer.changed, IsEmpty());
  EXPECT_FALSE(answer.whole);

  ASSERT_EQ(Publish(us_, {{2, 51, "them", ""}}), StoreStatus::kOk);
  answer = Sync(us_, version);
  EXPECT_GT(answer.version, version);
  EXPECT_THAT(answer.changed, ElementsAre(ShardEntry{2, 51, "them", ""}));
  EXPECT_FALSE(answer.whole);

  answer = Sync(us_, 0);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, UnorderedElementsAre(entries[0], entries[2], ShardEntry{2, 51, "them", ""}));
  EXPECT_EQ(Publish(us_, {}), StoreStatus::kOk);
}

TEST_P(ClusterStoreContractTest, TheTableNeverGoesBack) {
  ASSERT_EQ(Publish(us_, {{4, 10, "us", ""}}), StoreStatus::kOk);
  const uint64_t version = Sync(us_).version;
  ASSERT_EQ(Publish(us_, {{4, 9, "them", "us"}}), StoreStatus::kOk);
  EXPECT_THAT(Sync(us_, version).changed, IsEmpty()) << "a lower epoch";
  ASSERT_EQ(Publish(us_, {{4, 10, "us", ""}}), StoreStatus::kOk);
  EXPECT_EQ(Sync(us_, version).version, version) << "what is there already";
  ASSERT_EQ(Publish(us_, {{4, 10, "us", "us"}}), StoreStatus::kOk);
  EXPECT_THAT(Sync(us_, version).changed, ElementsAre(ShardEntry{4, 10, "us", "us"})) << "an equal one";
  ASSERT_EQ(Publish(us_, {{4, 11, "them", ""}, {4, 10, "us", ""}}), StoreStatus::kOk);
  EXPECT_THAT(Sync(us_, version).changed, ElementsAre(ShardEntry{4, 11, "them", ""}));
}

TEST_P(ClusterStoreContractTest, AVersionThatTheStoreDoesNotKnowBringsTheWholeTable) {
  ASSERT_EQ(Publish(us_, {{1, 1, "us", ""}, {2, 1, "us", ""}}), StoreStatus::kOk);
  const uint64_t version = Sync(us_).version;
  const SyncAnswer answer = Sync(us_, version + 1'000'000'000);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, SizeIs(2));
  EXPECT_EQ(answer.version, version);
}

TEST_P(ClusterStoreContractTest, EpochsAndTheTableAreThereAfterReopening) {
  const uint32_t epoch = Claim(us_, {{1, 0}}).at(0).epoch;
  ASSERT_EQ(Publish(us_, {{1, epoch, "us", ""}}), StoreStatus::kOk);
  Reopen("us");
  EXPECT_THAT(Sync(us_).changed, ElementsAre(ShardEntry{1, epoch, "us", ""}));
  EXPECT_EQ(Claim(us_, {{1, epoch}}).at(0).epoch, epoch + 1);
}

TEST_P(ClusterStoreContractTest, AValueIsWhatWasPutThereAlsoAfterReopening) {
  EXPECT_EQ(Value(us_, "a"), std::nullopt);
  const std::string large(300'000, '\xfe');
  ASSERT_EQ(PutValue(us_, "a", large), StoreStatus::kOk);
  ASSERT_EQ(PutValue(us_, "a b/ä", std::string("any\0bytes", 9)), StoreStatus::kOk);
  ASSERT_EQ(PutValue(us_, "empty", ""), StoreStatus::kOk);
  Reopen("them");
  EXPECT_EQ(Value(us_, "a"), large);
  EXPECT_EQ(Value(us_, "a b/ä"), std::string("any\0bytes", 9));
  EXPECT_EQ(Value(us_, "empty"), "");
  ASSERT_EQ(PutValue(us_, "a", std::nullopt), StoreStatus::kOk);
  EXPECT_EQ(PutValue(us_, "a", std::nullopt), StoreStatus::kOk) << "removing nothing is no error";
  EXPECT_EQ(Value(us_, "a"), std::nullopt);
  EXPECT_EQ(Value(us_, "empty"), "") << "another one";
}

TEST_P(ClusterStoreContractTest, AValueChangesOnlyFromWhatTheCallerBelievesItToBe) {
  EXPECT_EQ(Change(us_, {"a", "1", "2"}), std::nullopt) << "there is none";
  EXPECT_EQ(Change(us_, {"a", std::nullopt, "1"}), "1");
  EXPECT_EQ(Change(us_, {"a", std::nullopt, "2"}), "1");
  EXPECT_EQ(Change(us_, {"a", "0", "2"}), "1");
  EXPECT_EQ(Change(us_, {"a", "", "2"}), "1");
  EXPECT_EQ(Change(us_, {"a", "1", ""}), "");
  EXPECT_EQ(Change(us_, {"a", std::nullopt, "3"}), "") << "an empty one is one";
  EXPECT_EQ(Change(us_, {"a", "", std::string("\0", 1)}), std::string("\0", 1));
  EXPECT_EQ(Value(us_, "a"), std::string("\0", 1));
  EXPECT_EQ(Change(us_, {"a", std::string("\0", 1), std::nullopt}), std::nullopt);
  EXPECT_EQ(Value(us_, "a"), std::nullopt);
}

TEST_P(ClusterStoreContractTest, OfTwoChangesFromTheSameOneIsMade) {
  ASSERT_EQ(PutValue(us_, "a", "before"), StoreStatus::kOk);
  std::vector<std::optional<std::string>> answers;
  for (const char* to : {"mine", "theirs"}) {
    us_.cluster->ChangeValue({"a", "before", to}, [&](StoreStatus, std::optional<std::string> value) {
      answers.push_back(std::move(value));
    });
  }
  loop_.RunUntil([&] { return answers.size() == 2; });
  EXPECT_THAT(answers, ElementsAre("mine", "mine"));
}

TEST_P(ClusterStoreContractTest, AStoreMayBeDestroyedByItsCallback) {
  bool destroyed = false;
  bool more = false;
  us_.cluster->Sync({"", kLongTtl, 0}, [&](StoreStatus, const SyncAnswer&) {
    us_.cluster.reset();
    destroyed = true;
  });
  us_.cluster->Leave([&](StoreStatus) { more = true; });
  loop_.RunUntil([&] { return destroyed; });
  for (int i = 0; i < 3; ++i) ev_run(loop_, EVRUN_NOWAIT);
  EXPECT_FALSE(more) << "callbacks of destroyed stores do not run";
}

TEST_P(ClusterStoreContractTest, AClusterOfAnotherNumberOfShardsIsRefused) {
  us_ = {};
  config_.shard_count = 2 * kTestShards;
  std::string error;
  EXPECT_EQ(OpenStore(config_, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("set --shards " + std::to_string(kTestShards)));
}

TEST_P(ClusterStoreContractTest, AsManyShardsAsThereCanBe) {
  us_ = {};
  if (server_) server_->Ask({"FLUSHALL"});
  config_.shard_count = kMaxShards;
  if (!server_) config_.url = "file:" + (directory_ / "large.db");
  us_ = Open("us");

  std::vector<ShardClaim> claims;
  for (uint32_t shard = 0; shard < kMaxShards; ++shard) claims.push_back({static_cast<ShardId>(shard), 0});
  const std::vector<ShardRecord> records = Claim(us_, claims);
  ASSERT_THAT(records, SizeIs(kMaxShards));
  std::vector<ShardEntry> entries;
  for (uint32_t shard = 0; shard < kMaxShards; ++shard) {
    ASSERT_EQ(records[shard].owner, "us");
    entries.push_back({static_cast<ShardId>(shard), records[shard].epoch, "us", ""});
  }
  ASSERT_EQ(Publish(us_, entries), StoreStatus::kOk);

  SyncAnswer answer = Sync(us_);
  EXPECT_TRUE(answer.whole);
  EXPECT_TRUE(Sync(us_).renewed);
  ASSERT_THAT(answer.changed, SizeIs(kMaxShards));
  std::sort(answer.changed.begin(), answer.changed.end(),
            [](const ShardEntry& a, const ShardEntry& b) { return a.shard < b.shard; });
  EXPECT_EQ(answer.changed, entries);
  EXPECT_THAT(Sync(us_, answer.version).changed, IsEmpty());
  ++entries[kMaxShards - 1].epoch;
  ASSERT_EQ(Publish(us_, {entries[kMaxShards - 1]}), StoreStatus::kOk);
  EXPECT_THAT(Sync(us_, answer.version).changed, ElementsAre(entries[kMaxShards - 1]));
}

INSTANTIATE_TEST_SUITE_P(Stores, ClusterStoreContractTest, testing::Values("redis", "redis_tls", "sqlite"),
                         [](const auto& param) { return param.param; });

class SharedClusterStoreTest : public ClusterStoreTest {
 protected:
  void SetUp() override {
    server_.emplace();
    config_ = TestConfig(server_->url());
    config_.timeout = Duration(60'000);
    a_ = Open("a");
    b_ = Open("b");
  }

  Member a_;
  Member b_;
};

TEST_F(SharedClusterStoreTest, MembersSeeEachOtherInTheOrderOfTheirIds) {
  Sync(b_, 0, kLongTtl, "b's");
  const SyncAnswer answer = Sync(a_, 0, kLongTtl, "a's");
  EXPECT_THAT(answer.members,
              ElementsAre(AllOf(Field(&MemberEntry::id, "a"), Field(&MemberEntry::record, "a's")),
                          AllOf(Field(&MemberEntry::id, "b"), Field(&MemberEntry::record, "b's"))));
  Sync(b_, 0, kLongTtl, "news");
  EXPECT_EQ(Sync(a_).members.at(1).record, "news");
  EXPECT_EQ(Leave(b_), StoreStatus::kOk);
  EXPECT_THAT(Ids(Sync(a_)), ElementsAre("a"));
}

TEST_F(SharedClusterStoreTest, AMemberLapsesItsTtlAfterItsLastRenewal) {
  constexpr Duration kTtl{200};
  Sync(a_);
  const int64_t begin_ms = SteadyMs();
  Sync(b_, 0, kTtl);
  EXPECT_THAT(Ids(Sync(a_)), ElementsAre("a", "b"));
  EXPECT_TRUE(Poll([&] { return Ids(Sync(a_)).size() == 1; }));
  EXPECT_GE(SteadyMs() - begin_ms, kTtl.count() - 1);
  EXPECT_FALSE(Sync(b_, 0, kTtl).renewed) << "it was late";
  EXPECT_THAT(Ids(Sync(a_)), ElementsAre("a", "b"));
  EXPECT_EQ(server_->Ask({"HLEN", MembersKey("test")}), "2");
  EXPECT_EQ(server_->Ask({"ZCARD", LapsesKey("test")}), "2");
}

// As after a restart of Redis that took longer than the ttl.
TEST_F(SharedClusterStoreTest, WhoComesBackFirstDoesNotFindItselfAlone) {
  Sync(a_, 0, Duration(1));
  Sync(b_, 0, Duration(1));
  server_->Stop();
  server_->Start();
  const SyncAnswer answer = Sync(a_);
  EXPECT_FALSE(answer.renewed);
  EXPECT_THAT(Ids(answer), ElementsAre("a", "b"));
  EXPECT_TRUE(Sync(b_).renewed);
}

TEST_F(SharedClusterStoreTest, WhoDoesNotComeBackLapsesAfterAll) {
  constexpr Duration kTtl{200};
  Sync(a_, 0, Duration(1));
  Sync(b_, 0, Duration(1));
  server_->Stop();
  server_->Start();
  const int64_t begin_ms = SteadyMs();
  EXPECT_THAT(Ids(Sync(a_, 0, kTtl)), ElementsAre("a", "b"));
  EXPECT_TRUE(Poll([&] { return Ids(Sync(a_, 0, kTtl)).size() == 1; }));
  EXPECT_GE(SteadyMs() - begin_ms, kTtl.count() - 1);
}

TEST_F(SharedClusterStoreTest, OfTwoClaimersAtOnceExactlyOneWinsEachShard) {
  std::vector<ShardClaim> claims;
  for (ShardId shard = 0; shard < kTestShards; ++shard) claims.push_back({shard, 0});
  for (int round = 0; round < 5; ++round) {
    std::map<std::string, std::vector<ShardRecord>> answers;
    for (Member* member : {&a_, &b_}) {
      // One shard each by turns, so that neither is first everywhere.
      const bool first = member == &a_;
      std::vector<ShardClaim> mine = claims;
      if (!first) std::reverse(mine.begin(), mine.end());
      member->cluster->Claim(mine, [&answers, first](StoreStatus status, std::vector<ShardRecord> records) {
        EXPECT_EQ(status, StoreStatus::kOk);
        if (!first) std::reverse(records.begin(), records.end());
        answers[first ? "a" : "b"] = std::move(records);
      });
    }
    loop_.RunUntil([&] { return answers.size() == 2; });
    for (ShardId shard = 0; shard < kTestShards; ++shard) {
      const ShardRecord& record = answers["a"].at(shard);
      EXPECT_EQ(record.owner, answers["b"].at(shard).owner);
      EXPECT_EQ(record.epoch, answers["b"].at(shard).epoch);
      EXPECT_TRUE(round == 0 || record.epoch == claims[shard].epoch + 1);
      EXPECT_EQ(server_->Ask({"HGET", ShardKey("test", shard), "owner"}), record.owner);
      claims[shard].epoch = record.epoch;
    }
  }
}

TEST_F(SharedClusterStoreTest, ACommitOfTheOwnerBeforeIsFencedWhateverHasBeenPublished) {
  const ShardId shard = ShardOf(kHub, kTestShards);
  const uint32_t epoch = Claim(a_, {{shard, 0}}).at(0).epoch;
  EXPECT_EQ(Claim(b_, {{shard, epoch}}).at(0).owner, "b");
  ASSERT_EQ(Publish(a_, {{shard, epoch + 5, "a", ""}}), StoreStatus::kOk);
  EXPECT_EQ(Commit(loop_, *a_.store, Put(kHub, epoch, "key", "late")), StoreStatus::kFenced);
  EXPECT_EQ(Commit(loop_, *b_.store, Put(kHub, epoch + 1, "key", "new")), StoreStatus::kOk);
}

TEST_F(SharedClusterStoreTest, MembersLearnWhatOthersPublish) {
  ASSERT_EQ(Publish(a_, {{1, 5, "a", ""}}), StoreStatus::kOk);
  const uint64_t seen_by_b = Sync(b_).version;
  ASSERT_EQ(Publish(a_, {{2, 5, "a", ""}}), StoreStatus::kOk);
  ASSERT_EQ(Publish(b_, {{3, 5, "b", ""}}), StoreStatus::kOk);
  ASSERT_EQ(Publish(a_, {{1, 6, "a", ""}}), StoreStatus::kOk);
  const SyncAnswer answer = Sync(b_, seen_by_b);
  EXPECT_FALSE(answer.whole) << "an earlier version of a short while ago";
  EXPECT_THAT(answer.changed,
              ElementsAre(ShardEntry{2, 5, "a", ""}, ShardEntry{3, 5, "b", ""}, ShardEntry{1, 6, "a", ""}));
}

TEST_F(SharedClusterStoreTest, AnEmptiedStoreIsNoticedHoweverMuchWasPublishedSince) {
  Sync(a_);
  ASSERT_EQ(Publish(a_, {{1, 5, "a", ""}}), StoreStatus::kOk);
  const uint64_t known = Sync(a_).version;
  server_->Ask({"FLUSHALL"});
  SyncAnswer answer = Sync(a_, known);
  EXPECT_FALSE(answer.renewed);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, IsEmpty());
  EXPECT_EQ(answer.version, 0u);
  EXPECT_EQ(Claim(a_, {{1, 5}}).at(0).epoch, 0u) << "nobody owns it any more";

  for (uint32_t epoch = 1; epoch < 20; ++epoch) {
    ASSERT_EQ(Publish(b_, {{7, epoch, "b", ""}}), StoreStatus::kOk);
  }
  answer = Sync(a_, known);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, ElementsAre(ShardEntry{7, 19, "b", ""}));
  EXPECT_GT(answer.version, known) << "what has been counted is not counted again";
}

// As when a replica takes over that lacks the last writes, or a backup is put back.
TEST_F(SharedClusterStoreTest, LostWritesAreNoticedHoweverMuchWasPublishedSince) {
  ASSERT_EQ(Publish(a_, {{1, 5, "a", ""}, {2, 5, "a", ""}}), StoreStatus::kOk);
  const std::vector<std::string> keys = {TableKey("test"), ChangesKey("test"), VersionKey("test"),
                                         VersionsKey("test")};
  for (const std::string& key : keys) server_->Ask({"COPY", key, key + "/backup"});
  ASSERT_EQ(Publish(a_, {{1, 6, "b", ""}}), StoreStatus::kOk);
  const uint64_t known = Sync(a_).version;
  for (const std::string& key : keys) {
    server_->Ask({"DEL", key});
    server_->Ask({"COPY", key + "/backup", key});
  }
  ASSERT_EQ(Publish(b_, {{2, 6, "b", ""}}), StoreStatus::kOk);
  const SyncAnswer answer = Sync(a_, known);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.changed, ElementsAre(ShardEntry{1, 5, "a", ""}, ShardEntry{2, 6, "b", ""}));
}

// The server carries them out, but its answers are lost with it.
TEST_F(SharedClusterStoreTest, WhatIsSentAgainAfterARestartCountsOnce) {
  ASSERT_EQ(Publish(a_, {{0, 1, "b", ""}}), StoreStatus::kOk);
  const uint64_t version = Sync(a_).version;
  const uint32_t epoch = Claim(b_, {{0, 0}}).at(0).epoch;
  server_->Pause();
  std::vector<ShardClaim> claims = {{0, epoch}};
  for (ShardId shard = 1; shard < kTestShards; ++shard) claims.push_back({shard, 0});
  std::optional<std::vector<ShardRecord>> records;
  std::optional<SyncAnswer> sync;
  const uint32_t first_epoch = FirstEpoch();
  a_.cluster->Claim(claims, [&](StoreStatus status, std::vector<ShardRecord> answer) {
    EXPECT_EQ(status, StoreStatus::kOk);
    records = std::move(answer);
  });
  a_.cluster->Publish({{1, 9, "a", ""}}, [](StoreStatus status) { EXPECT_EQ(status, StoreStatus::kOk); });
  a_.cluster->Sync({"", kLongTtl, version}, [&](StoreStatus status, SyncAnswer answer) {
    EXPECT_EQ(status, StoreStatus::kOk);
    sync = std::move(answer);
  });
  ev_run(loop_, EVRUN_NOWAIT);
  server_->Continue();
  for (int i = 0; i < 10'000 && server_->Ask({"HGET", TableKey("test"), "1"}).empty(); ++i) {
  }
  const std::string stored_version = server_->Ask({"GET", VersionKey("test")});
  server_->Stop();
  server_->Start();
  loop_.RunUntil([&] { return sync.has_value(); });
  ASSERT_TRUE(records.has_value());
  EXPECT_THAT(*records, Each(Field(&ShardRecord::owner, "a")));
  EXPECT_EQ(records->at(0).epoch, epoch + 1);
  for (ShardId shard = 1; shard < kTestShards; ++shard) {
    EXPECT_GE(records->at(shard).epoch, first_epoch);
    EXPECT_LE(records->at(shard).epoch, FirstEpoch());
  }
  EXPECT_TRUE(sync->renewed) << "the entry has outlived the restart";
  EXPECT_EQ(std::to_string(sync->version), stored_version);
  EXPECT_THAT(sync->changed, ElementsAre(ShardEntry{1, 9, "a", ""}));
  EXPECT_FALSE(sync->whole);
}

TEST_F(SharedClusterStoreTest, ATableThatIsEmptiedWhileItIsReadIsNotMixedWithTheNextOne) {
  std::vector<ShardEntry> entries;
  for (uint32_t shard = 0; shard < 20'000; ++shard) {
    entries.push_back({static_cast<ShardId>(shard), 5, "a", ""});
  }
  for (int attempt = 0; attempt < 10; ++attempt) {
    ASSERT_EQ(Publish(a_, entries), StoreStatus::kOk);
    std::optional<SyncAnswer> answer;
    a_.cluster->Sync({"", kLongTtl, 0}, [&](StoreStatus status, SyncAnswer sync) {
      EXPECT_EQ(status, StoreStatus::kOk);
      answer = std::move(sync);
    });
    for (int turn = 0; turn < attempt; ++turn) ev_run(loop_, EVRUN_ONCE);
    server_->Ask({"FLUSHALL"});
    ASSERT_EQ(Publish(b_, {{1, 1, "b", ""}, {2, 1, "b", ""}}), StoreStatus::kOk);
    loop_.RunUntil([&] { return answer.has_value(); });
    EXPECT_TRUE(answer->whole);
    EXPECT_TRUE(answer->changed.size() == 20'000 || answer->changed.size() <= 2) << answer->changed.size();
    server_->Ask({"FLUSHALL"});
  }
}

// Hubs may fill the memory: members live on, and shards change hands.
TEST_F(SharedClusterStoreTest, AFullServerTakesWhatReplacesSomething) {
  Sync(a_);
  const uint32_t epoch = Claim(a_, {{1, 0}}).at(0).epoch;
  ASSERT_EQ(Publish(a_, {{1, epoch, "a", ""}}), StoreStatus::kOk);
  server_->Ask({"CONFIG", "SET", "maxmemory", "1mb"});
  EXPECT_TRUE(Sync(a_).renewed);
  EXPECT_EQ(Claim(b_, {{1, epoch}}).at(0).owner, "b");
  EXPECT_EQ(Publish(b_, {{1, epoch + 1, "b", ""}}), StoreStatus::kOk);
  EXPECT_THAT(Sync(a_).changed, ElementsAre(ShardEntry{1, epoch + 1, "b", ""}));
}

TEST_F(SharedClusterStoreTest, WhatCannotBeReadIsAnErrorOfThatCallOnly) {
  ASSERT_EQ(Publish(a_, {{1, 5, "a", ""}}), StoreStatus::kOk);
  const uint64_t version = Sync(a_).version;
  for (const char* entry : {"", "x", "5", "5 ", "5 1", "5 2 a", "99999999999 1 a", "5 -1 a"}) {
    server_->Ask({"HSET", TableKey("test"), "1", entry});
    EXPECT_EQ(TrySync(a_).first, StoreStatus::kError) << entry;
    EXPECT_EQ(TrySync(a_, version).first, StoreStatus::kOk) << "does not ask for it";
  }
  ASSERT_EQ(Publish(a_, {{1, 6, "a", ""}}), StoreStatus::kOk) << "puts it right";
  EXPECT_THAT(Sync(a_).changed, ElementsAre(ShardEntry{1, 6, "a", ""}));

  server_->Ask({"SET", ShardKey("test", 3), "text"});
  server_->Ask({"DEL", MembersKey("test")});
  server_->Ask({"SET", MembersKey("test"), "text"});
  EXPECT_EQ(TrySync(a_).first, StoreStatus::kError);
  std::optional<StoreStatus> claimed;
  a_.cluster->Claim({{2, 0}, {3, 0}, {4, 0}},
                    [&](StoreStatus status, const std::vector<ShardRecord>&) { claimed = status; });
  loop_.RunUntil([&] { return claimed.has_value(); });
  EXPECT_EQ(claimed, StoreStatus::kError);
  EXPECT_TRUE(a_.cluster->healthy());
}

TEST_F(SharedClusterStoreTest, AServerThatDoesNotAnswerIsUnavailable) {
  config_.timeout = Duration(200);
  Member hasty = Open("hasty");
  Sync(hasty);
  server_->Pause();
  EXPECT_EQ(TrySync(hasty).first, StoreStatus::kUnavailable);
  EXPECT_FALSE(hasty.cluster->healthy());
  server_->Continue();
  loop_.RunUntil([&] { return hasty.cluster->healthy(); });
  Sync(hasty);
}

TEST_F(SharedClusterStoreTest, KeysLieWhereAClusterOfRedisFindsThemTogether) {
  const auto tag = [](const std::string& key) {
    const size_t open = key.find('{');
    return key.substr(open + 1, key.find('}') - open - 1);
  };
  for (const std::string& key : {MembersKey("test"), LapsesKey("test"), TableKey("test"), ChangesKey("test"),
                                 VersionKey("test"), VersionsKey("test"), ValueKey("test", "a{b}c")}) {
    EXPECT_EQ(tag(key), ClusterKey("test"));
  }
}

}  // namespace
}  // namespace dormouse
