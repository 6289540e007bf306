// What is special about the store in a file. What it shares with the other one is in store_contract_test.cc.
#include "statekeeper/store/sqlite/store_sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "statekeeper/open_store.h"
#include "statekeeper/store/sqlite/sqlite_database.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::HasSubstr;

constexpr char kHub[] = "echo/room";

void Overwrite(const std::string& path, int64_t at, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(at);
  file << bytes;
}

class SqliteStoreTest : public testing::Test {
 protected:
  std::unique_ptr<StoreFactory> Open() {
    std::string error;
    std::unique_ptr<StoreFactory> factory = OpenStore(config_, &error);
    EXPECT_NE(factory, nullptr) << error;
    return factory;
  }

  // Runs `body` in another process, which must come to its end by kill -9.
  template <typename Body>
  static void RunUntilKilled(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      body();
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }

  // One row a hub, which starts with its marker, and is so large that the rows fill many pages, and none a page of its
  // own.
  void FillHubs(int hubs, const std::function<std::string(int)>& name,
                const std::function<std::string(int)>& marker) {
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const std::unique_ptr<ClusterStore> cluster = factory->NewClusterStore(loop);
    for (int i = 0; i < hubs; ++i) {
      const ShardCommit commit =
          Put(name(i), Take(loop, *cluster, name(i)), "key", marker(i) + std::string(1'500, 'x'));
      ASSERT_EQ(Commit(loop, *store, commit), StoreStatus::kOk);
    }
  }

  TempDir directory_;
  StoreConfig config_ = TestConfig("file:" + (directory_ / "store.db"));
};

TEST_F(SqliteStoreTest, WhatWasAcknowledgedSurvivesKill9) {
  RunUntilKilled([this] {
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), kHub);
    ShardCommit commit = Put(kHub, epoch, "key", std::to_string(epoch));
    commit.hubs[0].alarm_due_ms = 100;
    store->Commit(commit, [](StoreStatus status) {
      if (status == StoreStatus::kOk) kill(getpid(), SIGKILL);
    });
    loop.RunUntil([] { return false; });
  });
  TestLoop loop;
  const std::unique_ptr<StoreFactory> factory = Open();  // the dead process' lock is gone with it
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  const std::optional<std::string> epoch = Get(loop, *store, kHub, {"key"}).second.at(0);
  ASSERT_TRUE(epoch.has_value());
  EXPECT_EQ(DueAlarms(loop, *store, ShardOf(kHub, kTestShards), 100, 10).second.due.size(), 1u);
  EXPECT_EQ(std::to_string(Take(loop, *factory->NewClusterStore(loop), kHub) - 1), epoch);
}

TEST_F(SqliteStoreTest, ASecondProcessIsRefusedWithASentence) {
  // The child holds the file; it is told to die by the end of the pipe.
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    [[maybe_unused]] const std::unique_ptr<StoreFactory> factory = Open();
    [[maybe_unused]] const ssize_t written = write(ready[1], "!", 1);
    while (true) pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  std::string error;
  EXPECT_EQ(OpenStore(config_, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("in use by another process"));
  EXPECT_THAT(error, HasSubstr(directory_ / "store.db"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_NE(Open(), nullptr) << "free again at once";
}

TEST_F(SqliteStoreTest, AFileThatCannotBeOpenedIsRefusedWithASentence) {
  config_.url = "file:" + (directory_ / "no/such/folder/store.db");
  std::string error;
  EXPECT_EQ(OpenStore(config_, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("no/such/folder/store.db cannot be opened: unable to open database file"));

  config_.url = "file:" + (directory_ / "text");
  FILE* text = fopen((directory_ / "text").c_str(), "w");
  fputs(std::string(10'000, 'x').c_str(), text);
  fclose(text);
  EXPECT_EQ(OpenStore(config_, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("file is not a database"));
}

TEST_F(SqliteStoreTest, TheFilesAreForTheirUserAlone) {
  namespace fs = std::filesystem;
  constexpr fs::perms kPrivate = fs::perms::owner_read | fs::perms::owner_write;
  const std::string path = directory_ / "store.db";
  const mode_t before = umask(0);
  const auto write = [this] {
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), kHub);
    EXPECT_EQ(Commit(loop, *store, Put(kHub, epoch, "key", "value")), StoreStatus::kOk);
    kill(getpid(), SIGKILL);
  };
  RunUntilKilled(write);
  EXPECT_EQ(fs::status(path).permissions(), kPrivate);
  EXPECT_EQ(fs::status(path + "-wal").permissions(), kPrivate);
  // As an earlier version left them.
  for (const std::string& file : {path, path + "-wal"}) {
    fs::permissions(file, kPrivate | fs::perms::group_read | fs::perms::others_read);
  }
  RunUntilKilled(write);
  EXPECT_EQ(fs::status(path).permissions(), kPrivate);
  EXPECT_EQ(fs::status(path + "-wal").permissions(), kPrivate);
  umask(before);
}

// A disk that is full: files of the child may not grow any more.
TEST_F(SqliteStoreTest, AFullDiskIsAnErrorAndLeavesWhatWasThere) {
  RunUntilKilled([this] {
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), kHub);
    EXPECT_EQ(Commit(loop, *store, Put(kHub, epoch, "key", "value")), StoreStatus::kOk);
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {256u << 10, 256u << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    StoreStatus small = StoreStatus::kOk;
    store->Commit(Put(kHub, epoch, "key", "new"), [&](StoreStatus status) { small = status; });
    const StoreStatus large = Commit(loop, *store, Put(kHub, epoch, "large", std::string(1u << 20, 'x')));
    const auto [status, values] = Get(loop, *store, kHub, {"key", "large"});
    const bool kept = status == StoreStatus::kOk && !values[1] &&
                      values[0] == (small == StoreStatus::kOk ? "new" : "value");
    if (large == StoreStatus::kError && kept) kill(getpid(), SIGKILL);
  });
}

TEST_F(SqliteStoreTest, AFullDiskIsToldUntilThereIsRoom) {
  RunUntilKilled([this] {
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), kHub);
    signal(SIGXFSZ, SIG_IGN);
    rlimit room;
    getrlimit(RLIMIT_FSIZE, &room);
    const rlimit full = {1, room.rlim_max};  // not even for what finds out whether there is room
    setrlimit(RLIMIT_FSIZE, &full);
    const bool refused =
        Commit(loop, *store, Put(kHub, epoch, "large", std::string(1u << 20, 'x'))) == StoreStatus::kError &&
        store->state() == StoreState::kRefuses && !store->trouble().empty();
    setrlimit(RLIMIT_FSIZE, &room);
    const bool again = loop.RunUntil([&] { return store->state() == StoreState::kWell; });
    if (refused && again) kill(getpid(), SIGKILL);
  });
}

// A page of the file is damaged: who needs it fails, and nobody else who comes at the same moment.
TEST_F(SqliteStoreTest, ADamagedPageFailsThoseAloneThatNeedIt) {
  constexpr int kHubs = 64;
  const auto name = [](int i) { return "echo/" + std::to_string(i); };
  const std::string marker = "a row that will be damaged";
  ASSERT_NO_FATAL_FAILURE(FillHubs(kHubs, name, [&](int i) { return i == 20 ? marker : ""; }));
  const std::string path = config_.url.substr(5);
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const size_t at = bytes.find(marker);
  ASSERT_NE(at, std::string::npos);
  Overwrite(path, static_cast<int64_t>(at / 4096 * 4096), std::string(100, '\xff'));
  TestLoop loop;
  const std::unique_ptr<StoreFactory> factory = Open();
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  const std::unique_ptr<ClusterStore> cluster = factory->NewClusterStore(loop);
  EXPECT_EQ(store->state(), StoreState::kWell);
  std::map<ShardId, uint32_t> epochs;
  for (int i = 0; i < kHubs; ++i) {
    uint32_t& epoch = epochs[ShardOf(name(i), kTestShards)];
    if (epoch == 0) epoch = Take(loop, *cluster, name(i));
  }
  // Smaller rows would have pages merged, with the damaged one, too.
  const std::string same_size(1'500, 'y');
  int answers = 0;
  std::set<int> failures;
  std::string read = "?";
  store->Get(name(kHubs - 1), {"key"},
             [&](StoreStatus, auto values) { read = values.empty() ? "" : values[0].value_or("none"); });
  for (int i = 0; i < kHubs; ++i) {
    store->Commit(Put(name(i), epochs[ShardOf(name(i), kTestShards)], "key", same_size),
                  [&, i](StoreStatus status) {
                    ++answers;
                    if (status == StoreStatus::kError) failures.insert(i);
                  });
  }
  loop.RunUntil([&] { return answers == kHubs; });
  std::set<ShardId> damaged;  // of hubs whose rows cannot be read
  for (int i = 0; i < kHubs; ++i) {
    if (Get(loop, *store, name(i), {"key"}).first == StoreStatus::kError) {
      damaged.insert(ShardOf(name(i), kTestShards));
    }
  }
  EXPECT_FALSE(failures.empty());
  EXPECT_LT(damaged.size(), kHubs / 4u);
  for (const int i : failures) {
    EXPECT_TRUE(damaged.contains(ShardOf(name(i), kTestShards))) << name(i) << " failed with others";
  }
  EXPECT_THAT(read, testing::EndsWith("xxx")) << "a read that was begun twice answers once";
  EXPECT_EQ(store->state(), StoreState::kPartly);
  EXPECT_THAT(store->trouble(), HasSubstr("malformed"));
  EXPECT_EQ(Get(loop, *store, name(kHubs - 1), {"key"}).second.at(0), same_size);
}

// No part of it any more: most hubs are refused. And a good file in its place is none of that.
TEST_F(SqliteStoreTest, DamageThatReachesMostHubsIsARefusalUntilAnotherFileIsThere) {
  constexpr int kHubs = 30;
  const auto name = [](int i) { return "echo/" + std::to_string(i); };
  const std::string path = config_.url.substr(5);
  const std::string marker = "a row that will be damaged";
  ASSERT_NO_FATAL_FAILURE(FillHubs(kHubs, name, [&](int) { return marker; }));
  std::filesystem::copy_file(path, path + ".backup");
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  for (size_t at = bytes.find(marker); at != std::string::npos; at = bytes.find(marker, at + 1)) {
    Overwrite(path, static_cast<int64_t>(at / 4096 * 4096), std::string(100, '\xff'));
  }
  TestLoop loop;
  const std::unique_ptr<StoreFactory> factory = Open();
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  const auto read = [&](int i) { return Get(loop, *store, name(i), {"key"}).first; };
  ASSERT_EQ(read(0), StoreStatus::kError);
  EXPECT_EQ(store->state(), StoreState::kPartly) << "one alone";
  AwaitEvidence([&] {
    for (int i = 0; i < kHubs; ++i) EXPECT_EQ(read(i), StoreStatus::kError);
    return store->state() == StoreState::kRefuses;
  });
  EXPECT_THAT(store->trouble(), HasSubstr("malformed"));
  EXPECT_THAT(store->trouble(), HasSubstr("restore a backup"));
  std::filesystem::rename(path + ".backup", path);
  AwaitEvidence([&] { return read(0) == StoreStatus::kOk && store->state() == StoreState::kWell; });
  EXPECT_EQ(store->trouble(), "");
}

TEST_F(SqliteStoreTest, CallsThatExpireBeforeTheyAreBegunAreGivenUp) {
  config_.timeout = Duration(50);
  TestLoop loop;
  const std::unique_ptr<StoreFactory> factory = Open();
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  const std::unique_ptr<ClusterStore> cluster = factory->NewClusterStore(loop);
  uint32_t epoch = 0;
  for (int attempt = 0; attempt < 100 && epoch == 0; ++attempt) {
    bool answered = false;
    cluster->Claim({{ShardOf(kHub, kTestShards), 0}},
                   [&](StoreStatus status, std::vector<ShardRecord> records) {
                     answered = true;
                     if (status == StoreStatus::kOk) epoch = records[0].epoch;
                   });
    loop.RunUntil([&] { return answered; });
  }
  // Three lanes keep the disk busy for longer than that.
  ShardCommit large = Put(kHub, epoch, "large", "");
  for (int i = 0; i < 60; ++i) large.hubs[0].rows.push_back({std::to_string(i), std::string(1u << 20, 'x')});
  std::vector<std::unique_ptr<Store>> lanes;
  for (int i = 0; i < 3; ++i) {
    lanes.push_back(factory->NewStore(loop));
    lanes.back()->Commit(large, [](StoreStatus) {});
  }
  std::optional<StoreStatus> small;
  store->Commit(Put(kHub, epoch, "small", ""), [&](StoreStatus status) { small = status; });
  loop.RunUntil([&] { return small.has_value(); });
  EXPECT_EQ(small, StoreStatus::kUnavailable);
  EXPECT_FALSE(store->healthy());
  loop.RunUntil([&] { return store->healthy(); });
  std::optional<std::vector<std::optional<std::string>>> found;
  for (int attempt = 0; attempt < 100 && !found; ++attempt) {
    const auto [status, values] = Get(loop, *store, kHub, {"large", "small"});
    if (status == StoreStatus::kOk) found = values;
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->at(0).has_value()) << "was begun in time, and came to its end";
  EXPECT_FALSE(found->at(1).has_value());
}

TEST_F(SqliteStoreTest, ManyLanesCommitTogether) {
  const std::unique_ptr<StoreFactory> factory = Open();
  constexpr int kLanes = 3;
  constexpr int kCommits = 300;
  std::vector<std::thread> lanes;
  lanes.reserve(kLanes);
  for (int lane = 0; lane < kLanes; ++lane) {
    lanes.emplace_back([&factory, lane] {
      TestLoop loop;
      const std::unique_ptr<Store> store = factory->NewStore(loop);
      const std::string hub = "echo/" + std::to_string(lane);
      const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), hub);
      int done = 0;
      for (int i = 0; i < kCommits; ++i) {
        store->Commit(Put(hub, epoch, "key", std::to_string(i)), [&done](StoreStatus status) {
          EXPECT_EQ(status, StoreStatus::kOk);
          ++done;
        });
      }
      loop.RunUntil([&] { return done == kCommits; });
      EXPECT_EQ(Get(loop, *store, hub, {"key"}).second.at(0), std::to_string(kCommits - 1));
    });
  }
  for (std::thread& lane : lanes) lane.join();
}

class LostFileTest : public SqliteStoreTest {
 protected:
  void SetUp() override {
    Start();
    epoch_ = Take(loop_, *cluster_, kHub);
    ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "old")), StoreStatus::kOk);
    // All of it is in one file when nobody has it open.
    End();
    std::filesystem::copy_file(path_, path_ + ".backup");
    Start();
    ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "new")), StoreStatus::kOk);
    EXPECT_FALSE(Sync().lost_time);
  }
  void Start() {
    factory_ = Open();
    store_ = factory_->NewStore(loop_);
    cluster_ = factory_->NewClusterStore(loop_);
  }
  void End() {
    cluster_.reset();
    store_.reset();
    factory_.reset();
  }
  SyncAnswer Sync() {
    std::optional<SyncAnswer> answer;
    while (!answer) {  // an error while the file is away
      bool done = false;
      cluster_->Sync({"", Duration(60'000), 0}, [&](StoreStatus status, const SyncAnswer& said) {
        done = true;
        if (status == StoreStatus::kOk) answer = said;
      });
      if (!loop_.RunUntil([&] { return done; })) break;
    }
    return answer.value_or(SyncAnswer{});
  }
  // What is answered when it is not a mere error any more.
  StoreStatus CommitInTheEnd(const std::string& value) {
    StoreStatus status = StoreStatus::kError;
    AwaitEvidence([&] {
      status = Commit(loop_, *store_, Put(kHub, epoch_, "key", value));
      return status != StoreStatus::kError;
    });
    return status;
  }
  std::optional<std::string> Stored() { return Get(loop_, *store_, kHub, {"key"}).second.at(0); }
  // That is told, and can be written when it has been claimed.
  void ExpectLost(const std::optional<std::string>& stored) {
    EXPECT_EQ(CommitInTheEnd("lost"), StoreStatus::kFenced);
    EXPECT_TRUE(Sync().lost_time);
    EXPECT_FALSE(Sync().lost_time) << "once";
    EXPECT_EQ(Stored(), stored);
    // Above every epoch that has been heard of, as owners do.
    for (const uint32_t before = epoch_; epoch_ <= before;) epoch_ = Take(loop_, *cluster_, kHub);
    EXPECT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "newest")), StoreStatus::kOk) << epoch_;
    End();
    Start();
    EXPECT_EQ(Stored(), "newest");
  }

  const std::string path_ = directory_ / "store.db";
  TestLoop loop_;
  std::unique_ptr<StoreFactory> factory_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ClusterStore> cluster_;
  uint32_t epoch_ = 0;
};

TEST_F(LostFileTest, WhatIsRemovedTakesNoMoreChanges) {
  std::filesystem::remove(path_);
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "lost")), StoreStatus::kError);
  ExpectLost(std::nullopt);
}

TEST_F(LostFileTest, WhatIsReplacedByABackupIsTheBackup) {
  std::filesystem::rename(path_ + ".backup", path_);
  ExpectLost("old");
}

TEST_F(LostFileTest, WhatIsOverwrittenIsWhatWasWritten) {
  std::filesystem::copy_file(path_ + ".backup", path_, std::filesystem::copy_options::overwrite_existing);
  ExpectLost("old");
}

// What it holds is put into the file first.
TEST_F(LostFileTest, ALogThatIsRemovedLosesNothing) {
  std::filesystem::remove(path_ + "-wal");
  EXPECT_EQ(CommitInTheEnd("newer"), StoreStatus::kOk);
  End();
  Start();
  EXPECT_EQ(Stored(), "newer");
}

struct LogDamage {
  const char* name;
  std::function<void(const std::string& log)> inflict;
};

class DamagedLogTest : public LostFileTest, public testing::WithParamInterface<LogDamage> {};

// In place, so that it is still the file that SQLite has open.
TEST_P(DamagedLogTest, WhatItHeldIsLostAndThatIsTold) {
  GetParam().inflict(path_ + "-wal");
  ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", "lost")), StoreStatus::kError);
  ExpectLost("old");
}

// The times of its file tell nothing then: this process' own write is the last.
TEST_P(DamagedLogTest, NoCommitIsAcknowledgedThatItHappenedDuring) {
  End();
  std::string error;
  const std::unique_ptr<SqliteDatabase> database = SqliteDatabase::Open(path_, kTestShards, &error);
  ASSERT_NE(database, nullptr) << error;
  const auto commit = [&](const std::string& value, bool with_damage) {
    uint64_t commits = 0;
    if (!database->Begin() ||
        database->Apply(Put(kHub, epoch_, "key", value), config_.owner, &commits) != StoreStatus::kOk) {
      return false;
    }
    if (with_damage) GetParam().inflict(path_ + "-wal");
    return database->Commit();
  };
  ASSERT_TRUE(commit("acknowledged", false));
  EXPECT_FALSE(commit("written after a hole", true));
  EXPECT_FALSE(database->error().empty());
}

INSTANTIATE_TEST_SUITE_P(
    How, DamagedLogTest,
    testing::Values(
        LogDamage{"Emptied", [](const std::string& log) { std::filesystem::resize_file(log, 0); }},
        LogDamage{"Shortened",
                  [](const std::string& log) {
                    std::filesystem::resize_file(log, std::filesystem::file_size(log) - 4'100);
                  }},
        LogDamage{"HeaderOverwritten", [](const std::string& log) { Overwrite(log, 0, "something else"); }},
        LogDamage{"Overwritten",
                  [](const std::string& log) {
                    Overwrite(log, 0, std::string(std::filesystem::file_size(log), '\x5a'));
                  }}),
    [](const auto& damage) { return damage.param.name; });

// What is in the file already is not lost with the log; nor is what is left of that put over it.
TEST_F(LostFileTest, ALogThatIsInTheFileAlreadyLosesNothing) {
  ShardCommit large = Put(kHub, epoch_, "key", "large");
  for (int i = 0; i < 64; ++i) large.hubs[0].rows.push_back({std::to_string(i), std::string(1u << 16, 'x')});
  ASSERT_EQ(Commit(loop_, *store_, large), StoreStatus::kOk);
  ASSERT_EQ(Commit(loop_, *store_, large), StoreStatus::kOk);
  std::filesystem::resize_file(path_ + "-wal", std::filesystem::file_size(path_ + "-wal") / 2);
  AwaitEvidence([this] { return Sync().lost_time; });
  EXPECT_EQ(Stored(), "large");
  EXPECT_EQ(CommitInTheEnd("newer"), StoreStatus::kOk);
  End();
  Start();
  EXPECT_EQ(Stored(), "newer");
}

TEST_F(LostFileTest, WhatThisProcessDoesToItsOwnLogIsNoLoss) {
  for (int i = 0; i < 150; ++i) {  // the log is begun anew twice
    const std::string value = std::to_string(i) + std::string(64u << 10, 'x');
    ASSERT_EQ(Commit(loop_, *store_, Put(kHub, epoch_, "key", value)), StoreStatus::kOk) << i;
  }
  EXPECT_FALSE(Sync().lost_time);
  End();
  std::string error;
  const std::unique_ptr<SqliteDatabase> database = SqliteDatabase::Open(path_, kTestShards, &error);
  ASSERT_NE(database, nullptr) << error;
  // So large that a part of it comes into the log before it is taken back; also into one that is begun anew for it.
  const ShardCommit large = Put(kHub, epoch_, "large", std::string(8u << 20, 'x'));
  const auto apply = [&] {
    uint64_t commits = 0;
    return database->Begin() && database->Apply(large, config_.owner, &commits) == StoreStatus::kOk;
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(apply()) << database->error();
    database->Rollback();
    ASSERT_TRUE(apply()) << database->error();
    ASSERT_TRUE(database->Commit()) << database->error();
    ASSERT_TRUE(database->Probe()) << database->error();
  }
  EXPECT_EQ(database->serial(), 1u);
}

TEST_F(LostFileTest, ABackupWithALogOfItsOwnKeepsThat) {
  const std::string aside = directory_ / "aside.db";
  RunUntilKilled([&] {  // leaves a log
    config_.url = "file:" + aside;
    TestLoop loop;
    const std::unique_ptr<StoreFactory> factory = Open();
    const std::unique_ptr<Store> store = factory->NewStore(loop);
    const uint32_t epoch = Take(loop, *factory->NewClusterStore(loop), kHub);
    if (Commit(loop, *store, Put(kHub, epoch, "key", "in the log")) == StoreStatus::kOk)
      kill(getpid(), SIGKILL);
  });
  std::filesystem::rename(aside + "-wal", path_ + "-wal");
  std::filesystem::rename(aside, path_);
  AwaitEvidence([this] { return Sync().lost_time; });
  EXPECT_EQ(Stored(), "in the log");
}

}  // namespace
}  // namespace dormouse
