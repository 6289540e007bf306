// What the tests of the stores share: a loop to wait on, stores whose calls block, a redis-server of their
// own.
#pragma once

#include <ev.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/temp_dir.h"
#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class TestLoop {
 public:
  TestLoop() : loop_(ev_loop_new(EVFLAG_AUTO)) {}
  ~TestLoop() { ev_loop_destroy(loop_); }
  TestLoop(const TestLoop&) = delete;
  TestLoop& operator=(const TestLoop&) = delete;
  operator struct ev_loop *() const { return loop_; }  // NOLINT(google-explicit-constructor)

  // Runs the loop until `condition` holds; fails the test, and returns false, when it does not within 20 s.
  bool RunUntil(const std::function<bool()>& condition);

 private:
  struct ev_loop* loop_;
};

// Calls that wait for their answers.
StoreStatus Commit(TestLoop& loop, Store& store, ShardCommit commit);
std::pair<StoreStatus, RowPage> Range(TestLoop& loop, Store& store, const std::string& hub,
                                      const std::string& first = "", const std::string& last = "",
                                      size_t limit = 1'000);
std::pair<StoreStatus, std::vector<std::optional<std::string>>> Get(TestLoop& loop, Store& store,
                                                                    const std::string& hub,
                                                                    std::vector<std::string> keys);
std::pair<StoreStatus, AlarmPage> DueAlarms(TestLoop& loop, Store& store, ShardId shard, int64_t now_ms,
                                            size_t limit);
std::pair<StoreStatus, std::vector<std::string>> ListHubs(TestLoop& loop, Store& store, ShardId shard,
                                                          const std::string& after = "",
                                                          size_t limit = 1'000);
std::vector<ShardRecord> Claim(TestLoop& loop, ClusterStore& cluster, std::vector<ShardClaim> claims);
// Claims `shards`, whoever owns them: the records as they are then.
std::vector<ShardRecord> Take(TestLoop& loop, ClusterStore& cluster, const std::vector<ShardId>& shards);
// The epoch of `hub`'s shard, taken.
uint32_t Take(TestLoop& loop, ClusterStore& cluster, const std::string& hub);

// A commit of one row of one hub.
ShardCommit Put(const std::string& hub, uint32_t epoch, const std::string& key, const std::string& value);

inline constexpr uint32_t kTestShards = 64;

// A redis-server in a directory of its own, with its append-only file on. Killed with the object, and by the
// kernel when the test dies.
class RedisServer {
 public:
  struct Options {
    bool tcp = false;  // on a port that the kernel chose; else on a unix socket
    std::string password = {};
    bool sync = false;  // every write before its answer
  };

  RedisServer() : RedisServer(Options{}) {}
  explicit RedisServer(Options options);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // At the same address, with the data that it left.
  void Start();
  void Stop();  // lets it save
  void Kill();  // -9
  void Pause();
  void Continue();

  std::string url() const;
  std::string socket() const { return directory_ / "redis.sock"; }
  int port() const { return port_; }
  // A command with its answer as text, from outside of the stores.
  std::string Ask(const std::vector<std::string>& command) const;

 private:
  void End(int signal);

  const Options options_;
  TempDir directory_;
  int port_ = 0;
  int pid_ = 0;
};

}  // namespace dormouse
