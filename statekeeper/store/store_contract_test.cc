// What store.h promises, checked against each implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "statekeeper/open_store.h"
#include "statekeeper/store/store.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kHub[] = "echo/room";

RowWrite Delete(const std::string& key) { return {key, std::nullopt}; }

std::vector<std::string> Keys(const RowPage& page) {
  std::vector<std::string> keys;
  for (const Row& row : page.rows) keys.push_back(row.key);
  return keys;
}

// Hubs of one shard.
std::vector<std::string> HubsOf(ShardId shard, size_t count) {
  std::vector<std::string> hubs;
  for (int i = 0; hubs.size() < count; ++i) {
    std::string hub = "echo/" + std::to_string(i);
    if (ShardOf(hub, kTestShards) == shard) hubs.push_back(std::move(hub));
  }
  return hubs;
}

class StoreContractTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    config_ = GetParam() == "redis_tls" ? TestTlsConfig(Url()) : TestConfig(Url());
    config_.timeout = Duration(60'000);  // beyond what RunUntil waits for: no deadline may help a call along
    Open("us");
    epoch_ = Take(loop_, *cluster_, kHub);
  }

  // Another process of the store takes the place of this one: a file has but one at a time.
  void Open(const std::string& owner) {
    store_.reset();
    cluster_.reset();
    factory_.reset();
    config_.owner = owner;
    std::string error;
    factory_ = OpenStore(config_, &error);
    ASSERT_NE(factory_, nullptr) << error;
    store_ = factory_->NewStore(loop_);
    cluster_ = factory_->NewClusterStore(loop_);
  }
  // The epoch of the first of them, after another owner has taken them.
  uint32_t LetThemTake(const std::vector<ShardId>& shards) {
    Open("them");
    const uint32_t epoch = Take(loop_, *cluster_, shards).at(0).epoch;
    Open("us");
    return epoch;
  }

  // What takes long to start is shared, and empty for each test.
  std::string Url() {
    if (GetParam() == "sentinel") {
      static RedisSentinels sentinels;
      sentinels.master().Ask({"FLUSHALL"});
      return sentinels.url() + "?wait-replicas=1";
    }
    if (GetParam() == "cluster") {
      static RedisCluster cluster;
      cluster.Flush();
      return cluster.url();
    }
    if (GetParam() == "redis") return server_.emplace().url();
    if (GetParam() == "redis_tls") {
      return server_.emplace(RedisServer::Options{.tcp = true, .tls = TestServerTls()}).url();
    }
    return "file:" + (directory_ / "store.db");
  }

  StoreStatus CommitRows(std::vector<RowWrite> rows, const std::string& hub = kHub) {
    return Commit(loop_, *store_, {shard_, epoch_, {{hub, std::move(rows), std::nullopt}}});
  }
  StoreStatus CommitAlarm(const std::string& hub, int64_t due_ms) {
    return Commit(loop_, *store_, {shard_, epoch_, {{hub, {}, due_ms}}});
  }
  std::optional<std::string> Read(const std::string& key, const std::string& hub = kHub) {
    const auto [status, values] = Get(loop_, *store_, hub, {key});
    EXPECT_EQ(status, StoreStatus::kOk);
    return values.at(0);
  }
  RowPage ReadRange(const std::string& first = "", const std::string& last = "", size_t limit = 1'000) {
    auto [status, page] = Range(loop_, *store_, kHub, first, last, limit);
    EXPECT_EQ(status, StoreStatus::kOk);
    return page;
  }
  AlarmPage ReadAlarms(int64_t now_ms, size_t limit) {
    auto [status, page] = DueAlarms(loop_, *store_, shard_, now_ms, limit);
    EXPECT_EQ(status, StoreStatus::kOk);
    return page;
  }

  std::vector<std::string> ReadHubs(const std::string& after = "", size_t limit = 1'000) {
    auto [status, names] = ListHubs(loop_, *store_, shard_, after, limit);
    EXPECT_EQ(status, StoreStatus::kOk);
    return names;
  }

  TempDir directory_;
  std::optional<RedisServer> server_;
  StoreConfig config_;
  TestLoop loop_;
  std::unique_ptr<StoreFactory> factory_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ClusterStore> cluster_;
  const ShardId shard_ = ShardOf(kHub, kTestShards);
  uint32_t epoch_ = 0;
};

TEST_P(StoreContractTest, RowsHoldAnyBytesInBytewiseOrder) {
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes.push_back(static_cast<char>(byte));
  const std::vector<std::string> keys = {std::string("\0", 1),
                                         std::string("\0\0", 2),
                                         std::string("\0\1", 2),
                                         std::string("\0a", 2),
                                         "\1",
                                         std::string("\1\0", 2),
                                         "\1\1",
                                         "\2",
                                         "a",
                                         std::string("a\0", 2),
                                         std::string("a\0z", 3),
                                         "a\1",
                                         "ab",
                                         "b",
                                         std::string(5'000, 'k'),
                                         "\xff",
                                         "\xff\xff"};
  std::vector<RowWrite> writes;
  std::vector<Row> rows;
  for (const std::string& key : keys) {
    rows.push_back({key, key == "ab" ? "" : all_bytes + key});
    writes.push_back({key, rows.back().value});
  }
  std::reverse(writes.begin(), writes.end());
  ASSERT_EQ(CommitRows(writes), StoreStatus::kOk);

  const RowPage page = ReadRange();
  EXPECT_TRUE(page.complete);
  EXPECT_EQ(page.rows, rows);
  for (const Row& row : rows) EXPECT_EQ(Read(row.key), row.value);
  EXPECT_THAT(Keys(ReadRange("a", "a\1")), ElementsAre("a", std::string("a\0", 2), std::string("a\0z", 3)));
  EXPECT_THAT(Keys(ReadRange("\1", "\2")), ElementsAre("\1", std::string("\1\0", 2), "\1\1"));
}

// Lanes call at the very end of a turn; nothing else may be needed to make the loop turn again.
TEST_P(StoreContractTest, ACallAtTheEndOfATurnIsCarriedOutAtOnce) {
  struct AtTurnEnd {
    Store* store;
    std::optional<StoreStatus> answer;
  } at_turn_end{store_.get(), std::nullopt};
  ev_prepare watcher;
  ev_prepare_init(&watcher, [](struct ev_loop* loop, ev_prepare* self, int) {
    ev_prepare_stop(loop, self);
    auto* test = static_cast<AtTurnEnd*>(self->data);
    test->store->Get(kHub, {"a"}, [test](StoreStatus status, const auto&) { test->answer = status; });
  });
  watcher.data = &at_turn_end;
  ev_prepare_start(loop_, &watcher);
  loop_.RunUntil([&] { return at_turn_end.answer.has_value(); });
  EXPECT_EQ(at_turn_end.answer, StoreStatus::kOk);
}

TEST_P(StoreContractTest, RangesEndWhereTheyAreTold) {
  ASSERT_EQ(CommitRows({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"cc", "4"}, {"d", "5"}}), StoreStatus::kOk);
  EXPECT_THAT(Keys(ReadRange("b", "cc")), ElementsAre("b", "c"));
  EXPECT_THAT(Keys(ReadRange("bb")), ElementsAre("c", "cc", "d"));
  EXPECT_THAT(Keys(ReadRange("", "b")), ElementsAre("a"));
  EXPECT_THAT(Keys(ReadRange("x", "z")), IsEmpty());
  EXPECT_TRUE(ReadRange("x", "z").complete);
  EXPECT_THAT(Keys(Range(loop_, *store_, "echo/another").second), IsEmpty());
}

TEST_P(StoreContractTest, ALimitedRangeSaysWhetherMoreFollows) {
  ASSERT_EQ(CommitRows({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}), StoreStatus::kOk);
  const RowPage two = ReadRange("", "", 2);
  EXPECT_THAT(Keys(two), ElementsAre("a", "b"));
  EXPECT_FALSE(two.complete);
  const RowPage all = ReadRange("", "", 4);
  EXPECT_EQ(all.rows.size(), 4u);
  EXPECT_TRUE(all.complete);
  const RowPage to_c = ReadRange("", "c", 2);
  EXPECT_EQ(to_c.rows.size(), 2u);
  EXPECT_TRUE(to_c.complete) << "c is outside of the range";
}

TEST_P(StoreContractTest, ARangeIsBoundedInRows) {
  std::vector<RowWrite> writes;
  writes.reserve(5'000);
  for (int i = 0; i < 5'000; ++i) writes.push_back({std::to_string(10'000 + i), std::to_string(i)});
  ASSERT_EQ(CommitRows(writes), StoreStatus::kOk);

  size_t total = 0;
  std::string from;
  for (int reads = 0; reads < 10; ++reads) {
    const RowPage page = ReadRange(from, "", 100'000);
    ASSERT_LE(page.rows.size(), 1'000u);
    for (const Row& row : page.rows) {
      EXPECT_EQ(row, (Row{writes[total].key, *writes[total].value}));
      ++total;
    }
    if (page.complete) break;
    from = page.rows.back().key + '\0';
  }
  EXPECT_EQ(total, 5'000u);
}

TEST_P(StoreContractTest, ARangeIsBoundedInBytes) {
  const std::map<size_t, size_t> count_of_size = {{128u << 10, 6}, {16u << 10, 60}, {2'000, 400}};
  for (const auto& [size, count] : count_of_size) {
    std::vector<RowWrite> writes;
    for (size_t i = 0; i < count; ++i) {
      writes.push_back({std::to_string(size) + "/" + std::to_string(1'000 + i), std::string(size, 'x')});
    }
    ASSERT_EQ(CommitRows(writes), StoreStatus::kOk);
    size_t total = 0;
    std::string from = std::to_string(size) + "/";
    while (total < count) {
      const RowPage page = ReadRange(from, std::to_string(size) + "0");
      ASSERT_FALSE(page.rows.empty());
      EXPECT_LT(page.rows.size() * size, (256u << 10) + size) << "all but the last row fit";
      for (const Row& row : page.rows) EXPECT_EQ(row.value.size(), size);
      total += page.rows.size();
      EXPECT_EQ(page.complete, total == count);
      from = page.rows.back().key + '\0';
    }
    EXPECT_EQ(total, count);
  }
}

TEST_P(StoreContractTest, GetAnswersInTheOrderOfItsKeys) {
  ASSERT_EQ(CommitRows({{"a", "1"}, {"b", ""}, {"c", "3"}}), StoreStatus::kOk);
  const auto [status, values] = Get(loop_, *store_, kHub, {"c", "no", "b", "a", "c"});
  EXPECT_EQ(status, StoreStatus::kOk);
  EXPECT_THAT(values, ElementsAre("3", std::nullopt, "", "1", "3"));
  EXPECT_THAT(Get(loop_, *store_, kHub, {}).second, IsEmpty());
}

TEST_P(StoreContractTest, GetTakesAThousandKeys) {
  std::vector<RowWrite> writes;
  std::vector<std::string> keys;
  for (int i = 0; i < 1'000; ++i) {
    keys.push_back(std::to_string(i));
    if (i % 3 != 0) writes.push_back({keys.back(), "v" + keys.back()});
  }
  ASSERT_EQ(CommitRows(writes), StoreStatus::kOk);
  const auto [status, values] = Get(loop_, *store_, kHub, keys);
  ASSERT_EQ(values.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(values[i], i % 3 != 0 ? std::optional("v" + keys[i]) : std::nullopt);
  }
}

TEST_P(StoreContractTest, WritesReplaceAndDelete) {
  ASSERT_EQ(CommitRows({{"a", "1"}, {"aa", "2"}, {"b", "3"}}), StoreStatus::kOk);
  ASSERT_EQ(CommitRows({{"a", "new"}, Delete("b"), Delete("never there")}), StoreStatus::kOk);
  EXPECT_EQ(ReadRange().rows, (std::vector<Row>{{"a", "new"}, {"aa", "2"}}));
  ASSERT_EQ(CommitRows({{"a", "x"}, Delete("a"), Delete("aa"), {"aa", "y"}}), StoreStatus::kOk);
  EXPECT_EQ(ReadRange().rows, (std::vector<Row>{{"aa", "y"}})) << "writes of one commit count in their order";
}

TEST_P(StoreContractTest, CallsAreCarriedOutInTheOrderTheyWereMade) {
  std::vector<std::string> seen;
  size_t answers = 0;
  for (int i = 0; i < 100; ++i) {
    store_->Commit(Put(kHub, epoch_, "key", std::to_string(i)), [&](StoreStatus status) {
      EXPECT_EQ(status, StoreStatus::kOk);
      ++answers;
    });
    store_->Get(kHub, {"key"}, [&, i](StoreStatus, std::vector<std::optional<std::string>> values) {
      EXPECT_EQ(answers, i + 1u) << "answers come in order";
      seen.push_back(values.at(0).value_or("nothing"));
    });
    store_->Range(kHub, "", "", 10,
                  [&](StoreStatus, RowPage page) { seen.push_back(page.rows.at(0).value); });
  }
  loop_.RunUntil([&] { return seen.size() == 200; });
  for (int i = 0; i < 200; ++i) EXPECT_EQ(seen[i], std::to_string(i / 2));
}

TEST_P(StoreContractTest, OneCommitCanChangeSeveralHubs) {
  const std::vector<std::string> hubs = HubsOf(shard_, 3);
  ASSERT_EQ(Commit(loop_, *store_,
                   {shard_,
                    epoch_,
                    {{hubs[0], {{"a", "1"}}, 100},
                     {hubs[1], {}, std::nullopt},
                     {hubs[2], {{"b", "2"}, {"c", "3"}}, {}}}}),
            StoreStatus::kOk);
  EXPECT_EQ(Read("a", hubs[0]), "1");
  EXPECT_EQ(Read("a", hubs[2]), std::nullopt);
  EXPECT_EQ(Read("c", hubs[2]), "3");
  EXPECT_EQ(ReadAlarms(100, 10).due.size(), 1u);
}

TEST_P(StoreContractTest, LargeCommits) {
  const std::string large(128u << 10, 'l');
  ASSERT_EQ(CommitRows({{"one", large}, {"two", large}}), StoreStatus::kOk);
  EXPECT_EQ(Read("two"), large);

  // More than one script's worth, of many hubs.
  const std::vector<std::string> hubs = HubsOf(shard_, 50);
  ShardCommit commit{shard_, epoch_, {}};
  for (const std::string& hub : hubs) {
    commit.hubs.push_back({hub, {}, std::nullopt});
    for (int i = 0; i < 50; ++i) {
      commit.hubs.back().rows.push_back(
          {"k" + std::to_string(i), std::string(16u << 10, static_cast<char>('a' + i))});
    }
  }
  ASSERT_EQ(Commit(loop_, *store_, std::move(commit)), StoreStatus::kOk);
  for (const std::string& hub : hubs) EXPECT_EQ(Read("k49", hub), std::string(16u << 10, 'a' + 49)) << hub;
}

TEST_P(StoreContractTest, ACommitAfterAnotherOwnersTakeChangesNothing) {
  ASSERT_EQ(CommitRows({{"key", "ours"}}), StoreStatus::kOk);
  ASSERT_EQ(CommitAlarm(kHub, 500), StoreStatus::kOk);
  const uint32_t theirs = LetThemTake({shard_});
  const ShardCommit late = {shard_, epoch_, {{kHub, {{"key", "late"}, {"other", "late"}}, 0}}};
  EXPECT_EQ(Commit(loop_, *store_, late), StoreStatus::kFenced);
  ShardCommit right_epoch = late;
  right_epoch.epoch = theirs;
  EXPECT_EQ(Commit(loop_, *store_, right_epoch), StoreStatus::kFenced) << "the epoch is not ours";
  EXPECT_EQ(ReadRange().rows, (std::vector<Row>{{"key", "ours"}}));
  EXPECT_EQ(ReadAlarms(500, 1).due.size(), 1u);

  // Having it back does not revive what belongs to the time before.
  const uint32_t again = Take(loop_, *cluster_, kHub);
  EXPECT_EQ(Commit(loop_, *store_, late), StoreStatus::kFenced);
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, again, "key", "ours again")), StoreStatus::kOk);
  EXPECT_EQ(Read("key"), "ours again");
}

TEST_P(StoreContractTest, ACommitToAShardThatWasNeverTakenIsFenced) {
  const ShardId other = (shard_ + 1) % kTestShards;
  EXPECT_EQ(Commit(loop_, *store_, {other, 0, {{HubsOf(other, 1)[0], {{"a", "1"}}, {}}}}),
            StoreStatus::kFenced);
}

TEST_P(StoreContractTest, OfManyCommitsOnlyTheFencedFail) {
  std::map<ShardId, uint32_t> epochs;
  std::vector<ShardId> shards;
  for (ShardId shard = 0; shard < 20; ++shard) shards.push_back(shard);
  const std::vector<ShardRecord> taken = Take(loop_, *cluster_, shards);
  LetThemTake({3, 7});
  std::map<ShardId, StoreStatus> statuses;
  for (const ShardId shard : shards) {
    store_->Commit({shard, taken[shard].epoch, {{HubsOf(shard, 1)[0], {{"key", "value"}}, {}}}},
                   [&statuses, shard](StoreStatus status) { statuses[shard] = status; });
  }
  loop_.RunUntil([&] { return statuses.size() == shards.size(); });
  for (const ShardId shard : shards) {
    const bool lost = shard == 3 || shard == 7;
    EXPECT_EQ(statuses[shard], lost ? StoreStatus::kFenced : StoreStatus::kOk) << shard;
    EXPECT_EQ(Read("key", HubsOf(shard, 1)[0]), lost ? std::nullopt : std::optional<std::string>("value"))
        << shard;
  }
}

TEST_P(StoreContractTest, AlarmsComeInTheOrderTheyAreDue) {
  const std::vector<std::string> hubs = HubsOf(shard_, 5);
  EXPECT_EQ(ReadAlarms(1'000'000, 10).next_ms, std::nullopt);
  const int64_t base = 1'769'860'596'789;
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(CommitAlarm(hubs[i], base + 500 - int64_t{100} * i), StoreStatus::kOk);

  AlarmPage page = ReadAlarms(base + 99, 10);
  EXPECT_THAT(page.due, IsEmpty());
  EXPECT_EQ(page.next_ms, base + 100);
  page = ReadAlarms(base + 300, 10);
  ASSERT_EQ(page.due.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(page.due[i].hub, hubs[4 - i]);
    EXPECT_EQ(page.due[i].due_ms, base + int64_t{100} * (i + 1));
  }
  EXPECT_EQ(page.next_ms, base + 400);
  page = ReadAlarms(base + 300, 2);
  EXPECT_EQ(page.due.size(), 2u);
  EXPECT_EQ(page.next_ms, base + 300) << "due, but beyond the limit";
  EXPECT_EQ(ReadAlarms(base + 300, 3).next_ms, base + 400);
  page = ReadAlarms(base + 500, 10);
  EXPECT_EQ(page.due.size(), 5u) << "they stay until they are changed";
  EXPECT_EQ(page.next_ms, std::nullopt);
  EXPECT_EQ(DueAlarms(loop_, *store_, (shard_ + 1) % kTestShards, base + 500, 10).second.due.size(), 0u);
}

TEST_P(StoreContractTest, AHubHasOneAlarm) {
  ASSERT_EQ(CommitAlarm(kHub, 200), StoreStatus::kOk);
  ASSERT_EQ(CommitAlarm(kHub, 100), StoreStatus::kOk);
  AlarmPage page = ReadAlarms(1'000, 10);
  ASSERT_EQ(page.due.size(), 1u);
  EXPECT_EQ(page.due[0].due_ms, 100);
  ASSERT_EQ(CommitRows({{"key", "value"}}), StoreStatus::kOk);
  EXPECT_EQ(ReadAlarms(1'000, 10).due.size(), 1u) << "a commit without an alarm leaves it";
  ASSERT_EQ(CommitAlarm(kHub, 0), StoreStatus::kOk);
  EXPECT_THAT(ReadAlarms(1'000, 10).due, IsEmpty());
  ASSERT_EQ(CommitAlarm(kHub, 0), StoreStatus::kOk) << "deleting none is no error";
  EXPECT_EQ(Read("key"), "value");
}

TEST_P(StoreContractTest, HubsWithRowsAreListed) {
  const std::vector<std::string> hubs = HubsOf(shard_, 3);
  EXPECT_THAT(ReadHubs(), IsEmpty());
  ASSERT_EQ(CommitAlarm(hubs[0], 100), StoreStatus::kOk);
  EXPECT_THAT(ReadHubs(), IsEmpty()) << "an alarm is no row";
  ASSERT_EQ(CommitRows({{"a", "1"}}, hubs[1]), StoreStatus::kOk);
  ASSERT_EQ(CommitRows({{"a", "1"}, {"b", "2"}}, hubs[0]), StoreStatus::kOk);
  ASSERT_EQ(CommitRows({{"a", "1"}, Delete("a")}, hubs[2]), StoreStatus::kOk);
  EXPECT_THAT(ReadHubs(), UnorderedElementsAre(hubs[0], hubs[1])) << "the third came to nothing";
  ASSERT_EQ(CommitRows({{"a", "new"}, Delete("b"), Delete("never there")}, hubs[0]), StoreStatus::kOk);
  EXPECT_THAT(ReadHubs(), UnorderedElementsAre(hubs[0], hubs[1]));
  ASSERT_EQ(CommitRows({Delete("a"), {"a", "1"}}, hubs[0]), StoreStatus::kOk);
  ASSERT_EQ(CommitRows({Delete("a"), Delete("b")}, hubs[1]), StoreStatus::kOk);
  EXPECT_THAT(ReadHubs(), ElementsAre(hubs[0]));
  ASSERT_EQ(CommitRows({Delete("a"), {"c", "3"}}, hubs[0]), StoreStatus::kOk);
  ASSERT_EQ(CommitRows({Delete("a"), {"c", "3"}}, hubs[1]), StoreStatus::kOk) << "again";
  EXPECT_THAT(ReadHubs(), UnorderedElementsAre(hubs[0], hubs[1]));

  ShardCommit fenced = {shard_, epoch_ + 1, {{hubs[2], {{"a", "1"}}, {}}, {hubs[0], {Delete("c")}, {}}}};
  EXPECT_EQ(Commit(loop_, *store_, fenced), StoreStatus::kFenced);
  EXPECT_THAT(ReadHubs(), UnorderedElementsAre(hubs[0], hubs[1]));
  fenced.epoch = epoch_;
  EXPECT_EQ(Commit(loop_, *store_, fenced), StoreStatus::kOk);
  EXPECT_THAT(ReadHubs(), UnorderedElementsAre(hubs[1], hubs[2])) << "one commit, two hubs";
  EXPECT_THAT(ListHubs(loop_, *store_, (shard_ + 1) % kTestShards).second, IsEmpty());
}

TEST_P(StoreContractTest, HubsAreListedInBytewiseOrderPageByPage) {
  std::vector<std::string> hubs = HubsOf(shard_, 2'500);
  ShardCommit commit{shard_, epoch_, {}};
  for (const std::string& hub : hubs) commit.hubs.push_back({hub, {{"key", "value"}}, {}});
  ASSERT_EQ(Commit(loop_, *store_, commit), StoreStatus::kOk);
  std::sort(hubs.begin(), hubs.end());
  std::vector<std::string> listed;
  for (const size_t expected : {1'000, 1'000, 500, 0}) {
    const std::vector<std::string> page = ReadHubs(listed.empty() ? "" : listed.back(), 5'000);
    EXPECT_EQ(page.size(), expected);
    listed.insert(listed.end(), page.begin(), page.end());
  }
  EXPECT_EQ(listed, hubs);
  EXPECT_THAT(ReadHubs(hubs[9], 2), ElementsAre(hubs[10], hubs[11]));
  EXPECT_THAT(ReadHubs(hubs[9] + "\x01", 1), ElementsAre(hubs[10])) << "a name that is not there";
}

TEST_P(StoreContractTest, EverythingIsThereAfterReopening) {
  ASSERT_EQ(CommitRows({{"key", "value"}}), StoreStatus::kOk);
  ASSERT_EQ(CommitAlarm(kHub, 100), StoreStatus::kOk);
  Open("us");
  EXPECT_EQ(Read("key"), "value");
  EXPECT_EQ(ReadAlarms(100, 10).due.size(), 1u);
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "more")), StoreStatus::kOk)
      << "the shard is still ours";
  EXPECT_EQ(Take(loop_, *cluster_, kHub), epoch_ + 1);
}

TEST_P(StoreContractTest, AnotherNumberOfShardsIsRefused) {
  store_.reset();
  cluster_.reset();
  factory_.reset();
  config_.shard_count = 2 * kTestShards;
  std::string error;
  EXPECT_EQ(OpenStore(config_, &error), nullptr);
  EXPECT_THAT(error, HasSubstr(std::to_string(kTestShards)));
  EXPECT_THAT(error, HasSubstr(std::to_string(2 * kTestShards)));
}

TEST_P(StoreContractTest, LanesShareTheStoreAndSeeEachOthersWrites) {
  TestLoop other_loop;
  const std::unique_ptr<Store> other = factory_->NewStore(other_loop);
  ASSERT_EQ(CommitRows({{"key", "value"}}), StoreStatus::kOk);
  EXPECT_THAT(Get(other_loop, *other, kHub, {"key"}).second, ElementsAre("value"));
}

TEST_P(StoreContractTest, AStoreMayBeDestroyedByItsCallback) {
  bool more = false;
  bool destroyed = false;
  store_->Commit(Put(kHub, epoch_, "key", "value"), [&](StoreStatus) {
    store_.reset();
    destroyed = true;
  });
  for (int i = 0; i < 10; ++i) store_->Get(kHub, {"key"}, [&more](StoreStatus, auto) { more = true; });
  loop_.RunUntil([&] { return destroyed; });
  for (int i = 0; i < 3; ++i) ev_run(loop_, EVRUN_NOWAIT);
  EXPECT_FALSE(more) << "callbacks of destroyed stores do not run";
}

TEST_P(StoreContractTest, CallsBeyondTheBoundFailWithAllThatFollow) {
  const std::string value(1u << 20, 'v');
  std::vector<StoreStatus> statuses;
  for (int i = 0; i < 70; ++i) {
    store_->Commit(Put(kHub, epoch_, "key", value), [&](StoreStatus status) { statuses.push_back(status); });
  }
  // This one alone would fit.
  StoreStatus small = StoreStatus::kOk;
  store_->Commit(Put(kHub, epoch_, "small", ""), [&](StoreStatus status) { small = status; });
  loop_.RunUntil([&] { return statuses.size() == 70; });
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), StoreStatus::kUnavailable), 70 - 63);
  EXPECT_EQ(small, StoreStatus::kUnavailable);
  EXPECT_EQ(Read("small"), std::nullopt);
  EXPECT_EQ(CommitRows({{"small", "1"}}), StoreStatus::kOk) << "there is room again";
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest, testing::Values("redis", "redis_tls", "sqlite"),
                         [](const auto& param) { return param.param; });
// In one process each (see CMakeLists.txt): they share what they start.
INSTANTIATE_TEST_SUITE_P(Topologies, StoreContractTest, testing::Values("sentinel", "cluster"),
                         [](const auto& param) { return param.param; });

TEST(OpenStoreTest, RefusesWhatItCannotDoInASentence) {
  for (const auto& [url, hint] : std::map<std::string, std::string>{{"rediss+unix:///s.sock", "over TLS"},
                                                                    {"mysql://host", "--store must be"},
                                                                    {"file:", "file:PATH"},
                                                                    {"redis://", "host"},
                                                                    {"redis+unix://socket", "full path"}}) {
    StoreConfig config;
    config.url = url;
    std::string error;
    EXPECT_EQ(OpenStore(config, &error), nullptr) << url;
    EXPECT_THAT(error, HasSubstr(hint)) << url;
  }
}

}  // namespace
}  // namespace dormouse
