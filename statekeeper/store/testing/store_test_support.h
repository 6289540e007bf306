// What the tests of the stores share: a loop to wait on, stores whose calls block, a redis-server of their
// own.
#pragma once

#include <ev.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/auth/testing/certificates.h"
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

// Of a statekeeper "us", with the default timeout.
StoreConfig TestConfig(const std::string& url);

// How a server speaks TLS, and to whom.
struct RedisServerTls {
  CertificateFiles own;
  std::string ca;            // of its clients and of the servers that it talks to
  bool asks_clients = true;  // for a certificate
};
// For 127.0.0.1 and localhost, from an authority that all tests of a process share.
RedisServerTls TestServerTls();

// TestConfig, and what a server with TestServerTls asks for.
StoreConfig TestTlsConfig(const std::string& url);

// A redis-server in a directory of its own, with its append-only file on. Killed with the object, and by the
// kernel when the test dies.
class RedisServer {
 public:
  struct Options {
    bool tcp = false;  // on a port that the kernel chose; else on a unix socket
    std::string password = {};
    std::optional<RedisServerTls> tls = {};   // at the port, in place of plain connections
    bool sync = false;                        // every write before its answer
    bool sentinel = false;                    // a sentinel of nothing yet; nothing else holds, except `tcp`
    std::vector<std::string> arguments = {};  // more of redis-server's
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
  // As nodes of a cluster.
  void Meet(const RedisServer& other);
  // A command with its answer as text (of a list: a line each), from outside of the stores.
  std::string Ask(const std::vector<std::string>& command) const;

 private:
  void End(int signal);

  const Options options_;
  TempDir directory_;
  int port_ = 0;
  int pid_ = 0;
};

// Two servers, master and replica, and a sentinel that replaces the master.
class RedisSentinels {
 public:
  explicit RedisSentinels(const std::optional<RedisServerTls>& tls = {});

  // Before the sentinel knows the replica it cannot replace the master.
  void AwaitReplicaKnown();
  // As the sentinel says.
  int MasterPort() const;

  std::string url() const;
  // As it was at the start.
  RedisServer& master() { return *servers_[0]; }
  RedisServer& replica() { return *servers_[1]; }

 private:
  const std::optional<RedisServerTls> tls_;
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::unique_ptr<RedisServer> sentinel_;
};

// A Redis Cluster of three masters and as many replicas of the first one as are asked for. Takes two seconds
// to start: that is how long a new node refuses to serve.
class RedisCluster {
 public:
  explicit RedisCluster(int replicas = 0, const std::optional<RedisServerTls>& tls = {});

  std::string url() const;
  // Masters first.
  RedisServer& node(size_t i) { return *nodes_[i]; }
  size_t size() const { return nodes_.size(); }
  // The node that serves the slot of `key`, a key of nothing, as it says itself.
  size_t OwnerOf(const std::string& key);
  // Removes all keys.
  void Flush();

  // Parts of the move of a key's slot: Begin, then key by key (false: none is left), then End.
  void BeginMove(const std::string& key, size_t from, size_t to);
  bool MoveOneKey(const std::string& key, size_t from, size_t to);
  void EndMove(const std::string& key, size_t from, size_t to);
  void CancelMove(const std::string& key, size_t from, size_t to);

 private:
  const std::optional<RedisServerTls> tls_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

// Waits, up to 20 s, for what no descriptor tells.
void AwaitEvidence(const std::function<bool()>& seen);

}  // namespace dormouse
