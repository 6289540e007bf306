// What is special about the store in a file. What it shares with the other one is in store_contract_test.cc.
#include "statekeeper/store/store_sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "statekeeper/store/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::HasSubstr;

constexpr char kHub[] = "echo/room";

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

}  // namespace
}  // namespace dormouse
