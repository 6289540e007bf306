// How the store in Redis bears a server that is away. What it shares with the other one is in
// store_contract_test.cc.
#include "statekeeper/store/redis/store_redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "common/clock.h"
#include "statekeeper/open_store.h"
#include "statekeeper/store/redis/redis_layout.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHub[] = "echo/room";

class RedisStoreTest : public testing::Test {
 protected:
  void Open(RedisServer::Options options = {}, Duration timeout = Duration(10'000)) {
    server_.emplace(std::move(options));
    config_ = TestConfig(server_->url());
    config_.timeout = timeout;
    std::string error;
    factory_ = OpenStore(config_, &error);
    ASSERT_NE(factory_, nullptr) << error;
    store_ = factory_->NewStore(loop_);
    epoch_ = Take(loop_, *factory_->NewClusterStore(loop_), kHub);
  }

  static std::string WhyRefused(const StoreConfig& config) {
    std::string error;
    EXPECT_EQ(OpenStore(config, &error), nullptr);
    return error;
  }

  // Commits "key" = from .. to - 1, and notes the answers and their order.
  void PutNumbers(int from, int to) {
    for (int i = from; i < to; ++i) {
      store_->Commit(Put(kHub, epoch_, "key", std::to_string(i)), [this, i](StoreStatus status) {
        EXPECT_EQ(answers_.size(), static_cast<size_t>(i)) << "answers come in order";
        answers_.push_back(status);
      });
    }
  }
  void AwaitAnswers(size_t count) {
    loop_.RunUntil([this, count] { return answers_.size() >= count; });
  }
  void RunLoopFor(double seconds) {
    bool over = false;
    ev_once(
        loop_, -1, 0, seconds, [](int, void* flag) { *static_cast<bool*>(flag) = true; }, &over);
    loop_.RunUntil([&over] { return over; });
  }
  std::string Read(const std::string& key) {
    const auto [status, values] = Get(loop_, *store_, kHub, {key});
    EXPECT_EQ(status, StoreStatus::kOk);
    return status == StoreStatus::kOk ? values[0].value_or("nothing") : "failure";
  }
  void AwaitHealth(bool healthy) {
    loop_.RunUntil([this, healthy] { return store_->healthy() == healthy; });
  }

  std::optional<RedisServer> server_;
  StoreConfig config_;
  TestLoop loop_;
  std::unique_ptr<StoreFactory> factory_;
  std::unique_ptr<Store> store_;
  uint32_t epoch_ = 0;
  std::vector<StoreStatus> answers_;
};

TEST_F(RedisStoreTest, WhatWasAcknowledgedSurvivesKill9OfTheServer) {
  Open({.sync = true});
  PutNumbers(0, 100);
  AwaitAnswers(100);
  server_->Kill();
  server_->Start();
  EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  EXPECT_EQ(Read("key"), "99");
}

TEST_F(RedisStoreTest, CallsWaitForAServerThatRestarts) {
  Open({.tcp = true});
  PutNumbers(0, 500);
  AwaitAnswers(10);  // the others are under way
  server_->Stop();
  PutNumbers(500, 600);
  AwaitHealth(false);
  PutNumbers(600, 700);
  server_->Start();
  AwaitAnswers(700);
  EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  EXPECT_EQ(Read("key"), "699");
  EXPECT_TRUE(store_->healthy());
}

TEST_F(RedisStoreTest, AServerThatDoesNotAnswerIsUnavailableAndComesBack) {
  Open({}, Duration(300));
  server_->Pause();
  const int64_t begin_ms = SteadyMs();
  PutNumbers(0, 10);
  AwaitAnswers(10);
  EXPECT_THAT(answers_, Each(StoreStatus::kUnavailable));
  EXPECT_GE(SteadyMs() - begin_ms, 300);
  EXPECT_FALSE(store_->healthy());
  server_->Continue();
  AwaitHealth(true);
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "later")), StoreStatus::kOk);
  EXPECT_EQ(Read("key"), "later");
}

TEST_F(RedisStoreTest, CallsThatExpireBeforeTheyAreSentAreNeverSent) {
  Open({}, Duration(300));
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "before")), StoreStatus::kOk);
  server_->Stop();
  AwaitHealth(false);
  PutNumbers(0, 10);
  AwaitAnswers(10);
  EXPECT_THAT(answers_, Each(StoreStatus::kUnavailable));
  server_->Start();
  AwaitHealth(true);
  EXPECT_EQ(Read("key"), "before");
}

TEST_F(RedisStoreTest, WhenOneCallExpiresThoseThatFollowFailWithIt) {
  Open({}, Duration(400));
  server_->Stop();
  AwaitHealth(false);
  PutNumbers(0, 1);
  const int64_t begin_ms = SteadyMs();
  RunLoopFor(0.2);
  PutNumbers(1, 2);
  AwaitAnswers(2);
  EXPECT_LT(SteadyMs() - begin_ms, 590) << "the second did not wait for its own deadline";
  EXPECT_THAT(answers_, Each(StoreStatus::kUnavailable));
}

TEST_F(RedisStoreTest, TheScriptCacheMayBeFlushedAtAnyTime) {
  Open();
  for (int i = 0; i < 5; ++i) {
    PutNumbers(100 * i, 100 * i + 50);
    ev_run(loop_, EVRUN_NOWAIT);
    server_->Ask({"SCRIPT", "FLUSH"});
    PutNumbers(100 * i + 50, 100 * i + 100);
    AwaitAnswers(100 * i + 100);
  }
  EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  EXPECT_EQ(Read("key"), "499");
}

TEST_F(RedisStoreTest, AReplicaIsAwayUntilItIsPromoted) {
  Open();
  server_->Ask({"REPLICAOF", "127.0.0.1", "1"});
  PutNumbers(0, 10);
  AwaitHealth(false);
  server_->Ask({"REPLICAOF", "NO", "ONE"});
  AwaitAnswers(10);
  EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  EXPECT_EQ(Read("key"), "9");
}

TEST_F(RedisStoreTest, AFullServerRefusesWholeCommits) {
  Open();
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "before")), StoreStatus::kOk);
  server_->Ask({"CONFIG", "SET", "maxmemory", "1mb"});
  const std::string large(1u << 20, 'x');
  EXPECT_EQ(
      Commit(loop_, *store_,
             {ShardOf(kHub, kTestShards), epoch_, {{kHub, {{"key", std::nullopt}, {"large", large}}, 100}}}),
      StoreStatus::kError);
  EXPECT_EQ(Read("key"), "before");
  EXPECT_TRUE(store_->healthy());
  server_->Ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "after")), StoreStatus::kOk);
}

// Answers that are errors: the server is there, and of no use.
TEST_F(RedisStoreTest, AServerThatRefusesEveryChangeSaysSoUntilItTakesThemAgain) {
  Open();
  ASSERT_EQ(store_->state(), StoreState::kWell);
  server_->Ask({"CONFIG", "SET", "maxmemory", "1mb"});
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kError);
  EXPECT_EQ(store_->state(), StoreState::kRefuses);
  EXPECT_THAT(store_->trouble(), testing::StartsWith("OOM "));
  EXPECT_EQ(Read("key"), "nothing") << "reads go on";
  EXPECT_EQ(store_->state(), StoreState::kRefuses);
  RunLoopFor(1.2);
  EXPECT_EQ(store_->state(), StoreState::kRefuses) << "a probe is refused, too";
  server_->Ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(loop_.RunUntil([this] { return store_->state() == StoreState::kWell; })) << "without a caller";
}

struct Refusal {
  const char* code;
  std::vector<std::string> begin;
  std::vector<std::string> end;
};

class RefusingRedisTest : public RedisStoreTest, public testing::WithParamInterface<Refusal> {};

// Whatever its reason: it answers, and that is known though nobody asks for anything.
TEST_P(RefusingRedisTest, IsFoundOutByWhoIsIdleAndSoIsItsEnd) {
  Open();
  AwaitHealth(true);
  ASSERT_TRUE(loop_.RunUntil([this] { return store_->state() == StoreState::kWell; }));
  server_->Ask(GetParam().begin);
  EXPECT_TRUE(loop_.RunUntil([this] { return store_->state() != StoreState::kWell; }));
  EXPECT_EQ(store_->state(), StoreState::kRefuses);
  EXPECT_THAT(store_->trouble(), testing::StartsWith(GetParam().code));
  server_->Ask(GetParam().end);
  EXPECT_TRUE(loop_.RunUntil([this] { return store_->state() == StoreState::kWell; }));
}

INSTANTIATE_TEST_SUITE_P(
    Why, RefusingRedisTest,
    testing::Values(
        Refusal{"OOM", {"CONFIG", "SET", "maxmemory", "1mb"}, {"CONFIG", "SET", "maxmemory", "0"}},
        Refusal{"NOPERM",
                {"ACL", "SETUSER", "default", "-@scripting"},
                {"ACL", "SETUSER", "default", "+@scripting"}},
        Refusal{"NOREPLICAS",
                {"CONFIG", "SET", "min-replicas-to-write", "1"},
                {"CONFIG", "SET", "min-replicas-to-write", "0"}},
        Refusal{"READONLY", {"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}}),
    [](const auto& refusal) { return refusal.param.code; });

// A command that is wrong itself is no reason to say so.
TEST_F(RedisStoreTest, AServerThatRefusesOneCommandIsWell) {
  Open();
  server_->Ask({"SET", HubKey("test", ShardOf(kHub, kTestShards), kHub), "text"});
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kError);
  RunLoopFor(0.2);
  EXPECT_EQ(store_->state(), StoreState::kWell);
}

// With a caller it is known as soon as that hears it.
TEST_F(RedisStoreTest, ARightThatIsTakenAwayIsKnownWithTheFirstCommand) {
  Open();
  AwaitHealth(true);
  RunLoopFor(0.2);  // so that what is asked of a new connection has been
  server_->Ask({"ACL", "SETUSER", "default", "-@scripting"});
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kError);
  RunLoopFor(0.2);
  EXPECT_EQ(store_->state(), StoreState::kRefuses);
}

// What a disk without room looks like to those who write.
TEST_F(RedisStoreTest, AServerThatCannotWriteItsDiskRefusesEveryChange) {
  Open();
  server_->Ask({"CONFIG", "SET", "save", "1000000 1"});
  // A snapshot cannot take the place of a directory.
  const std::filesystem::path in_the_way =
      std::filesystem::path(server_->socket()).parent_path() / "dump.rdb";
  std::filesystem::create_directory(in_the_way);
  const auto save = [this](const std::string& end) {
    server_->Ask({"BGSAVE"});
    AwaitEvidence([&] {
      const std::string info = server_->Ask({"INFO", "persistence"});
      return info.find("rdb_bgsave_in_progress:0") != std::string::npos &&
             info.find("rdb_last_bgsave_status:" + end) != std::string::npos;
    });
  };
  save("err");
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kError);
  EXPECT_EQ(store_->state(), StoreState::kRefuses);
  EXPECT_THAT(store_->trouble(), testing::StartsWith("MISCONF "));
  std::filesystem::remove(in_the_way);
  save("ok");
  EXPECT_TRUE(loop_.RunUntil([this] { return store_->state() == StoreState::kWell; }));
}

TEST_F(RedisStoreTest, AConnectionThatNobodyUsedAndTheServerClosedIsNoOutage) {
  Open();
  AwaitHealth(true);
  server_->Ask({"CONFIG", "SET", "timeout", "1"});
  bool was_away = false;
  ev_prepare watch;
  ev_prepare_init(&watch, [](struct ev_loop*, ev_prepare* each, int) {
    (*static_cast<std::function<void()>*>(each->data))();
  });
  std::function<void()> look = [&] { was_away |= !store_->healthy(); };
  watch.data = &look;
  ev_prepare_start(loop_, &watch);
  const auto oldest_connection = [this] {
    const std::string list = server_->Ask({"CLIENT", "LIST"});
    return list.substr(0, list.find(' '));
  };
  const std::string before = oldest_connection();
  for (int i = 0; i < 100 && oldest_connection() == before; ++i) RunLoopFor(0.1);
  EXPECT_NE(oldest_connection(), before) << "the server has closed it";
  RunLoopFor(0.1);
  ev_prepare_stop(loop_, &watch);
  EXPECT_FALSE(was_away);
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kOk);
}

TEST_F(RedisStoreTest, AKeyOfTheWrongTypeIsAnErrorOfThatCallOnly) {
  Open();
  server_->Ask({"SET", HubKey("test", ShardOf(kHub, kTestShards), kHub), "text"});
  EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kError);
  EXPECT_EQ(Range(loop_, *store_, kHub).first, StoreStatus::kError);
  EXPECT_EQ(Range(loop_, *store_, "echo/another").first, StoreStatus::kOk);
  EXPECT_EQ(store_->state(), StoreState::kWell);
}

TEST_F(RedisStoreTest, AKilledConnectionIsReplaced) {
  Open();
  for (int i = 0; i < 3; ++i) {
    PutNumbers(100 * i, 100 * i + 100);
    ev_run(loop_, EVRUN_NOWAIT);
    server_->Ask({"CLIENT", "KILL", "TYPE", "normal"});
    AwaitAnswers(100 * i + 100);
  }
  EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  EXPECT_EQ(Read("key"), "299");
}

TEST_F(RedisStoreTest, PrefixesKeepClustersApart) {
  Open();
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "value")), StoreStatus::kOk);
  StoreConfig config = config_;
  config.key_prefix = "other";
  config.shard_count = 2 * kTestShards;
  std::string error;
  const std::unique_ptr<StoreFactory> factory = OpenStore(config, &error);
  ASSERT_NE(factory, nullptr) << error;
  const std::unique_ptr<Store> store = factory->NewStore(loop_);
  EXPECT_THAT(Get(loop_, *store, kHub, {"key"}).second, ElementsAre(std::nullopt));
  config.key_prefix = "a{b}";
  EXPECT_THAT(WhyRefused(config), HasSubstr("--store-prefix"));
}

TEST_F(RedisStoreTest, LogsInAndSelectsTheDatabase) {
  Open({.tcp = true, .password = "secret"});
  server_->Ask({"ACL", "SETUSER", "dor:mouse", "on", ">p@ss", "~*", "+@all"});
  config_.url = "redis://dor%3Amouse:p%40ss@localhost:" + std::to_string(server_->port()) + "/5";
  std::string error;
  const std::unique_ptr<StoreFactory> factory = OpenStore(config_, &error);
  ASSERT_NE(factory, nullptr) << error;
  const std::unique_ptr<Store> store = factory->NewStore(loop_);
  EXPECT_EQ(Commit(loop_, *store, Put(kHub, epoch_, "key", "value")), StoreStatus::kFenced)
      << "nobody has taken a shard in this database";
}

TEST_F(RedisStoreTest, AWrongPasswordIsRefusedAtOnceWithASentence) {
  Open({.tcp = true, .password = "secret"});
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const int64_t begin_ms = SteadyMs();
  for (const char* login : {"", ":wr0ng@", "nobody:wr0ng@"}) {
    const std::string error = WhyRefused(TestConfig(std::string("redis://") + login + address));
    EXPECT_THAT(error, HasSubstr(address));
    EXPECT_THAT(error, HasSubstr("refuses the user or password"));
    EXPECT_THAT(error, Not(HasSubstr("wr0ng")));
  }
  EXPECT_LT(SteadyMs() - begin_ms, 4'000) << "did not wait for the timeout";
}

// Redis repeats the arguments of a command that it does not know.
TEST_F(RedisStoreTest, APasswordThatRedisRepeatsIsNotShown) {
  server_.emplace(RedisServer::Options{.tcp = true, .arguments = {"--rename-command", "AUTH", "LOGIN"}});
  const std::string error =
      WhyRefused(TestConfig("redis://user:s3cret@127.0.0.1:" + std::to_string(server_->port())));
  EXPECT_THAT(error, HasSubstr("unknown command 'AUTH'"));
  EXPECT_THAT(error, Not(HasSubstr("s3cret")));
}

TEST_F(RedisStoreTest, ThePasswordIsReadAnewForEachConnection) {
  const TempDir directory;
  const std::string file = directory / "password";
  const auto write = [&file](const std::string& text) { std::ofstream(file) << text; };
  Open({.tcp = true, .password = "first"});
  config_.url = "redis://127.0.0.1:" + std::to_string(server_->port());
  config_.redis.password = file;
  EXPECT_THAT(WhyRefused(config_),
              HasSubstr("the file of store-password-file, " + file + ", cannot be read"));
  for (const char* wrong : {"", "\n", "first\nsecond\n"}) {
    write(wrong);
    EXPECT_THAT(WhyRefused(config_), HasSubstr("must hold one line"));
  }
  write("wr0ng");
  EXPECT_THAT(WhyRefused(config_), AllOf(HasSubstr("refuses the user or password"), Not(HasSubstr("wr0ng"))));

  write("first\n");
  std::string error;
  const std::unique_ptr<StoreFactory> factory = OpenStore(config_, &error);
  ASSERT_NE(factory, nullptr) << error;
  const std::unique_ptr<Store> store = factory->NewStore(loop_);
  loop_.RunUntil([&] { return store->healthy(); });
  server_->Ask({"CONFIG", "SET", "requirepass", "second"});
  EXPECT_EQ(Get(loop_, *store, kHub, {"key"}).first, StoreStatus::kOk) << "stands on its connection";
  write("second");
  redisContext* killer = redisConnectUnix(server_->socket().c_str());
  freeReplyObject(redisCommand(killer, "AUTH second"));
  freeReplyObject(redisCommand(killer, "CLIENT KILL TYPE normal"));
  redisFree(killer);
  loop_.RunUntil([&] { return !store->healthy(); });
  loop_.RunUntil([&] { return store->healthy(); });
  EXPECT_EQ(Get(loop_, *store, kHub, {"key"}).first, StoreStatus::kOk);
}

TEST_F(RedisStoreTest, PasswordsInTwoPlacesOrInNoneAreRefused) {
  StoreConfig config = TestConfig("redis://us:s3cret@127.0.0.1:1");
  config.redis.password = "/a/file";
  EXPECT_THAT(WhyRefused(config), AllOf(HasSubstr("leave out that in the URL"), Not(HasSubstr("s3cret"))));
  EXPECT_THAT(WhyRefused(TestConfig("redis://s3cret@127.0.0.1:1")),
              AllOf(HasSubstr("--store-password-file"), Not(HasSubstr("s3cret"))));
  config = TestConfig("redis://127.0.0.1:1");
  config.redis.sentinel_password = "/a/file";
  EXPECT_THAT(WhyRefused(config), HasSubstr("is for sentinels"));
}

TEST_F(RedisStoreTest, AMissingRightIsRefusedAtStart) {
  Open({.tcp = true});
  server_->Ask({"ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-client|kill"});
  EXPECT_THAT(WhyRefused(TestConfig("redis://limited:pw@127.0.0.1:" + std::to_string(server_->port()))),
              HasSubstr("client|kill"));
}

TEST_F(RedisStoreTest, AServerThatIsNotThereIsRefusedWithinTheTimeout) {
  Open({.tcp = true});
  server_->Stop();
  StoreConfig config = config_;
  config.timeout = Duration(300);
  const int64_t begin_ms = SteadyMs();
  EXPECT_THAT(WhyRefused(config),
              HasSubstr("cannot be reached: Connection refused. Start it, or correct --store"));
  EXPECT_LT(SteadyMs() - begin_ms, 3'000);
  config.url = "redis://no-such-host.invalid:1";
  EXPECT_THAT(WhyRefused(config), HasSubstr("no-such-host.invalid:1 cannot be reached"));
  config.url = "redis+unix:///no/such.sock";
  EXPECT_THAT(WhyRefused(config), HasSubstr("/no/such.sock cannot be reached: No such file or directory"));
}

TEST_F(RedisStoreTest, AShardThatHasLostCommitsTakesNoMoreUntilItIsClaimed) {
  Open();
  PutNumbers(0, 2);
  AwaitAnswers(2);
  const ShardId shard = ShardOf(kHub, kTestShards);
  const uint64_t commits = store_->Commits({shard, epoch_});
  EXPECT_GE(commits, 2u);
  server_->Ask({"HSET", ShardKey("test", shard), "commits", std::to_string(commits - 1)});
  PutNumbers(2, 3);
  AwaitAnswers(3);
  EXPECT_EQ(answers_.back(), StoreStatus::kFenced);
  EXPECT_EQ(Read("key"), "1");
  const auto cluster = factory_->NewClusterStore(loop_);
  const ShardRecord record = Claim(loop_, *cluster, {{.shard = shard, .epoch = epoch_}}).at(0);
  EXPECT_EQ(record.commits, commits - 1);
  epoch_ = record.epoch;
  PutNumbers(3, 4);
  AwaitAnswers(4);
  EXPECT_EQ(answers_.back(), StoreStatus::kOk);
  EXPECT_EQ(store_->Commits({shard, epoch_}), commits);
}

TEST_F(RedisStoreTest, AServerThatEvictsIsRefusedAndWatched) {
  Open({.arguments = {"--maxmemory-policy", "volatile-lru"}});  // drops none of ours
  const auto cluster = factory_->NewClusterStore(loop_);
  const auto unsafe = [&] {
    std::optional<std::string> said;
    cluster->Sync({"", Duration(60'000), 0},
                  [&](StoreStatus, const SyncAnswer& answer) { said = answer.unsafe; });
    loop_.RunUntil([&] { return said.has_value(); });
    return said.value_or("");
  };
  EXPECT_EQ(unsafe(), "");
  server_->Ask({"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
  EXPECT_THAT(WhyRefused(config_),
              AllOf(HasSubstr("allkeys-random"), HasSubstr("set maxmemory-policy noeviction")));
  AwaitEvidence([&] { return !unsafe().empty(); });
  server_->Ask({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  AwaitEvidence([&] { return unsafe().empty(); });
}

}  // namespace
}  // namespace dormouse
