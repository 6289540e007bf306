#include "statekeeper/store/testing/store_test_support.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "common/clock.h"
#include "common/free_port.h"
#include "statekeeper/store/redis/cluster_slots.h"

namespace dormouse {
namespace {

constexpr int kPatienceMs = 20'000;

struct SharedCertificates {
  TestAuthority authority;
  CertificateFiles server = authority.Certify("redis", "IP:127.0.0.1,DNS:localhost");
  CertificateFiles client = authority.Certify("dormouse", "");
};
SharedCertificates& Certificates() {
  static SharedCertificates certificates;
  return certificates;
}

// As they stand on the command line; in a file without "--".
std::vector<std::pair<std::string, std::string>> PortSettings(int port,
                                                              const std::optional<RedisServerTls>& tls) {
  if (!tls) return {{"port", std::to_string(port)}};
  return {{"port", "0"},
          {"tls-port", std::to_string(port)},
          {"tls-cert-file", tls->own.certificate},
          {"tls-key-file", tls->own.key},
          {"tls-ca-cert-file", tls->ca},
          {"tls-auth-clients", tls->asks_clients ? "yes" : "no"},
          {"tls-replication", "yes"}};
}

// A URL of the same kind, over TLS if asked for.
std::string UrlOf(const std::optional<RedisServerTls>& tls, const std::string& rest) {
  return (tls ? "rediss" : "redis") + rest;
}

}  // namespace

bool TestLoop::RunUntil(const std::function<bool()>& condition) {
  ev_timer patience;
  bool out_of_patience = false;
  ev_timer_init(
      &patience, [](struct ev_loop*, ev_timer* timer, int) { *static_cast<bool*>(timer->data) = true; },
      kPatienceMs / 1000.0, 0);
  patience.data = &out_of_patience;
  ev_now_update(loop_);
  ev_timer_start(loop_, &patience);
  while (!condition() && !out_of_patience) ev_run(loop_, EVRUN_ONCE);
  ev_timer_stop(loop_, &patience);
  EXPECT_FALSE(out_of_patience) << "what was awaited did not happen";
  return !out_of_patience;
}

StoreStatus Commit(TestLoop& loop, Store& store, ShardCommit commit) {
  std::optional<StoreStatus> answer;
  store.Commit(std::move(commit), [&](StoreStatus status) { answer = status; });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::pair<StoreStatus, RowPage> Range(TestLoop& loop, Store& store, const std::string& hub,
                                      const std::string& first, const std::string& last, size_t limit) {
  std::optional<std::pair<StoreStatus, RowPage>> answer;
  store.Range(hub, first, last, limit,
              [&](StoreStatus status, RowPage page) { answer.emplace(status, std::move(page)); });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::pair<StoreStatus, std::vector<std::optional<std::string>>> Get(TestLoop& loop, Store& store,
                                                                    const std::string& hub,
                                                                    std::vector<std::string> keys) {
  std::optional<std::pair<StoreStatus, std::vector<std::optional<std::string>>>> answer;
  store.Get(hub, std::move(keys), [&](StoreStatus status, std::vector<std::optional<std::string>> values) {
    answer.emplace(status, std::move(values));
  });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::pair<StoreStatus, AlarmPage> DueAlarms(TestLoop& loop, Store& store, ShardId shard, int64_t now_ms,
                                            size_t limit) {
  std::optional<std::pair<StoreStatus, AlarmPage>> answer;
  store.DueAlarms(shard, now_ms, limit,
                  [&](StoreStatus status, AlarmPage page) { answer.emplace(status, std::move(page)); });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::pair<StoreStatus, std::vector<std::string>> ListHubs(TestLoop& loop, Store& store, ShardId shard,
                                                          const std::string& after, size_t limit) {
  std::optional<std::pair<StoreStatus, std::vector<std::string>>> answer;
  store.ListHubs(shard, after, limit, [&](StoreStatus status, std::vector<std::string> names) {
    answer.emplace(status, std::move(names));
  });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::vector<ShardRecord> Claim(TestLoop& loop, ClusterStore& cluster, std::vector<ShardClaim> claims) {
  std::optional<std::vector<ShardRecord>> answer;
  cluster.Claim(std::move(claims), [&](StoreStatus status, std::vector<ShardRecord> records) {
    EXPECT_EQ(status, StoreStatus::kOk);
    answer = std::move(records);
  });
  loop.RunUntil([&] { return answer.has_value(); });
  return answer.value();
}

std::vector<ShardRecord> Take(TestLoop& loop, ClusterStore& cluster, const std::vector<ShardId>& shards) {
  // An epoch that no shard has: answers the records as they are.
  constexpr uint32_t kNoEpoch = UINT32_MAX;
  std::vector<ShardClaim> claims;
  claims.reserve(shards.size());
  for (const ShardId shard : shards) claims.push_back({shard, kNoEpoch});
  const std::vector<ShardRecord> records = Claim(loop, cluster, claims);
  for (size_t i = 0; i < claims.size(); ++i) claims[i].epoch = records.at(i).epoch;
  return Claim(loop, cluster, claims);
}

uint32_t Take(TestLoop& loop, ClusterStore& cluster, const std::string& hub) {
  return Take(loop, cluster, std::vector<ShardId>{ShardOf(hub, kTestShards)}).at(0).epoch;
}

StoreConfig TestConfig(const std::string& url) {
  StoreConfig config;
  config.url = url;
  config.key_prefix = "test";
  config.owner = "us";
  config.shard_count = kTestShards;
  return config;
}

RedisServerTls TestServerTls() { return {Certificates().server, Certificates().authority.file()}; }

StoreConfig TestTlsConfig(const std::string& url) {
  StoreConfig config = TestConfig(url);
  config.redis.ca = Certificates().authority.file();
  config.redis.certificate = Certificates().client.certificate;
  config.redis.key = Certificates().client.key;
  return config;
}

ShardCommit Put(const std::string& hub, uint32_t epoch, const std::string& key, const std::string& value) {
  return {ShardOf(hub, kTestShards), epoch, {{hub, {{key, value}}, std::nullopt}}};
}

RedisServer::RedisServer(Options options) : options_(std::move(options)) {
  if (options_.tcp) port_ = FreePort();
  Start();
}

RedisServer::~RedisServer() { End(SIGKILL); }

void RedisServer::Start() {
  std::vector<std::string> arguments = {"redis-server",
                                        "--bind",
                                        "127.0.0.1",
                                        "--unixsocket",
                                        socket(),
                                        "--dir",
                                        directory_ / "",
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "yes",
                                        "--appendfsync",
                                        options_.sync ? "always" : "everysec"};
  const auto port_settings = PortSettings(port_, options_.tls);
  for (const auto& [name, value] : port_settings) arguments.insert(arguments.end(), {"--" + name, value});
  if (options_.sentinel) {
    // Sentinels take their settings from a file, which they write to.
    const std::string file = directory_ / "sentinel.conf";
    std::ofstream settings(file);
    for (const auto& [name, value] : port_settings) settings << name << " " << value << "\n";
    settings << "bind 127.0.0.1\nunixsocket " << socket() << "\ndir " << (directory_ / "") << "\n";
    settings.close();
    arguments = {"redis-server", file, "--sentinel"};
  }
  if (!options_.password.empty()) arguments.insert(arguments.end(), {"--requirepass", options_.password});
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(out[1], STDOUT_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);

  std::string log;
  const int64_t deadline_ms = SteadyMs() + kPatienceMs;
  const std::string started =
      options_.sentinel ? "Sentinel ID is" : "ready to accept connections at " + socket();
  while (log.find(started) == std::string::npos) {
    pollfd readable{out[0], POLLIN, 0};
    char text[4096];
    const int64_t left_ms = deadline_ms - SteadyMs();
    const ssize_t size = left_ms > 0 && poll(&readable, 1, static_cast<int>(left_ms)) == 1
                             ? read(out[0], text, sizeof(text))
                             : 0;
    if (size <= 0) {
      close(out[0]);
      throw std::runtime_error("redis-server does not start: " + log);
    }
    log.append(text, size);
  }
  close(out[0]);
}

void RedisServer::Meet(const RedisServer& other) {
  const auto bus_port = [](const RedisServer& server) {
    return server.Ask({"CONFIG", "GET", "cluster-port"}).substr(sizeof("cluster-port"));
  };
  std::string port = bus_port(other);
  port.pop_back();
  Ask({"CLUSTER", "MEET", "127.0.0.1", std::to_string(other.port()), port});
}

void RedisServer::End(int signal) {
  if (pid_ == 0) return;
  kill(pid_, SIGCONT);
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void RedisServer::Stop() { End(SIGTERM); }
void RedisServer::Kill() { End(SIGKILL); }
void RedisServer::Pause() {
  kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);
}
void RedisServer::Continue() { kill(pid_, SIGCONT); }

std::string RedisServer::url() const {
  const std::string login = options_.password.empty() ? "" : ":" + options_.password + "@";
  return options_.tcp ? UrlOf(options_.tls, "://") + login + "127.0.0.1:" + std::to_string(port_)
                      : "redis+unix://" + login + socket();
}

std::string RedisServer::Ask(const std::vector<std::string>& command) const {
  redisContext* context = redisConnectUnix(socket().c_str());
  if (!options_.password.empty()) {
    freeReplyObject(redisCommand(context, "AUTH %s", options_.password.c_str()));
  }
  std::vector<const char*> arguments;
  std::vector<size_t> sizes;
  for (const std::string& argument : command) {
    arguments.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  auto* reply = static_cast<redisReply*>(
      redisCommandArgv(context, static_cast<int>(arguments.size()), arguments.data(), sizes.data()));
  const auto text = [](const redisReply& part) {
    return part.type == REDIS_REPLY_INTEGER ? std::to_string(part.integer)
           : part.str != nullptr            ? std::string(part.str, part.len)
                                            : "";
  };
  std::string answer;
  if (reply == nullptr) {
    ADD_FAILURE() << "redis-server does not answer: " << context->errstr;
  } else {
    answer = text(*reply);
    for (size_t i = 0; i < reply->elements; ++i) answer += text(*reply->element[i]) + "\n";
    freeReplyObject(reply);
  }
  redisFree(context);
  return answer;
}

void AwaitEvidence(const std::function<bool()>& seen) {
  const int64_t deadline_ms = SteadyMs() + kPatienceMs;
  while (!seen()) {
    if (SteadyMs() > deadline_ms) throw std::runtime_error("what was awaited did not happen");
    poll(nullptr, 0, 10);
  }
}

RedisSentinels::RedisSentinels(const std::optional<RedisServerTls>& tls) : tls_(tls) {
  for (int i = 0; i < 2; ++i) {
    std::vector<std::string> arguments = {"--repl-diskless-sync-delay", "0"};
    if (i > 0)
      arguments.insert(arguments.end(), {"--replicaof", "127.0.0.1 " + std::to_string(master().port())});
    servers_.push_back(std::make_unique<RedisServer>(
        RedisServer::Options{.tcp = true, .tls = tls, .arguments = std::move(arguments)}));
  }
  AwaitEvidence([this] {
    return replica().Ask({"INFO", "replication"}).find("master_link_status:up") != std::string::npos;
  });
  sentinel_ = std::make_unique<RedisServer>(RedisServer::Options{.tcp = true, .tls = tls, .sentinel = true});
  sentinel_->Ask({"SENTINEL", "MONITOR", "rooms", "127.0.0.1", std::to_string(master().port()), "1"});
  sentinel_->Ask({"SENTINEL", "SET", "rooms", "down-after-milliseconds", "500"});
  sentinel_->Ask({"SENTINEL", "SET", "rooms", "failover-timeout", "3000"});
}

void RedisSentinels::AwaitReplicaKnown() {
  AwaitEvidence([this] {
    return sentinel_->Ask({"INFO", "sentinel"}).find("slaves=1") != std::string::npos;
  });
}

int RedisSentinels::MasterPort() const {
  const std::string answer = sentinel_->Ask({"SENTINEL", "get-master-addr-by-name", "rooms"});
  return std::stoi(answer.substr(answer.find('\n') + 1));
}

// The first, a port where nobody listens, stands for a sentinel that is down.
std::string RedisSentinels::url() const {
  return UrlOf(tls_, "+sentinel://127.0.0.1:1,127.0.0.1:" + std::to_string(sentinel_->port()) + "/rooms");
}

RedisCluster::RedisCluster(int replicas, const std::optional<RedisServerTls>& tls) : tls_(tls) {
  constexpr size_t kMasters = 3;
  for (size_t i = 0; i < kMasters + replicas; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(RedisServer::Options{
        .tcp = true,
        .tls = tls,
        .arguments = {"--cluster-enabled", "yes", "--tls-cluster", tls ? "yes" : "no", "--cluster-port",
                      std::to_string(FreePort()), "--cluster-node-timeout", "500",
                      "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"}}));
    node(i).Ask({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
  }
  for (size_t i = 0; i < kMasters; ++i) {
    node(i).Ask({"CLUSTER", "ADDSLOTSRANGE", std::to_string(16'384 * i / kMasters),
                 std::to_string(16'384 * (i + 1) / kMasters - 1)});
  }
  for (size_t i = 0; i < size(); ++i) {
    for (size_t j = 0; j < i; ++j) node(i).Meet(node(j));
  }
  const auto await_info = [this](const std::string& line) {
    for (const auto& server : nodes_) {
      AwaitEvidence([&] { return server->Ask({"CLUSTER", "INFO"}).find(line) != std::string::npos; });
    }
  };
  await_info("cluster_known_nodes:" + std::to_string(size()) + "\r");
  for (size_t i = kMasters; i < size(); ++i) {
    const std::string id = node(0).Ask({"CLUSTER", "MYID"});
    AwaitEvidence([&] { return node(i).Ask({"CLUSTER", "REPLICATE", id}) == "OK"; });
    AwaitEvidence([&] {
      return node(i).Ask({"INFO", "replication"}).find("master_link_status:up") != std::string::npos;
    });
  }
  await_info("cluster_slots_assigned:16384\r");
  await_info("cluster_state:ok\r");
}

// The first, a port where nobody listens, stands for a node that is down.
std::string RedisCluster::url() const {
  return UrlOf(tls_, "+cluster://127.0.0.1:1,127.0.0.1:" + std::to_string(nodes_[0]->port()) +
                         ",127.0.0.1:" + std::to_string(nodes_[1]->port()));
}

size_t RedisCluster::OwnerOf(const std::string& key) {
  size_t owner = 0;
  while (owner < size() && node(owner).Ask({"HDEL", key, ""}) != "0") ++owner;
  return owner;
}

void RedisCluster::Flush() {
  for (const auto& server : nodes_) server->Ask({"FLUSHALL"});
}

void RedisCluster::BeginMove(const std::string& key, size_t from, size_t to) {
  const std::string slot = std::to_string(ClusterSlotOf(key));
  node(to).Ask({"CLUSTER", "SETSLOT", slot, "IMPORTING", node(from).Ask({"CLUSTER", "MYID"})});
  node(from).Ask({"CLUSTER", "SETSLOT", slot, "MIGRATING", node(to).Ask({"CLUSTER", "MYID"})});
}

bool RedisCluster::MoveOneKey(const std::string& key, size_t from, size_t to) {
  std::string moving = node(from).Ask({"CLUSTER", "GETKEYSINSLOT", std::to_string(ClusterSlotOf(key)), "1"});
  if (moving.empty()) return false;
  moving.pop_back();
  EXPECT_EQ(node(from).Ask({"MIGRATE", "127.0.0.1", std::to_string(node(to).port()), moving, "0", "5000"}),
            "OK");
  return true;
}

void RedisCluster::EndMove(const std::string& key, size_t from, size_t to) {
  const std::string id = node(to).Ask({"CLUSTER", "MYID"});
  const std::string slot = std::to_string(ClusterSlotOf(key));
  for (const size_t i : {to, from}) node(i).Ask({"CLUSTER", "SETSLOT", slot, "NODE", id});
  // Until all know of this move, the next one could be given the same epoch: then the nodes would quarrel
  // over the slot, and the loser would delete its keys.
  const auto epoch = [](const RedisServer& server) {
    const std::string info = server.Ask({"CLUSTER", "INFO"});
    const size_t at = info.find("cluster_current_epoch:");
    return info.substr(at, info.find('\r', at) - at);
  };
  for (const auto& server : nodes_) {
    AwaitEvidence([&] { return epoch(*server) == epoch(node(to)); });
  }
}

void RedisCluster::CancelMove(const std::string& key, size_t from, size_t to) {
  for (const size_t i : {to, from}) {
    node(i).Ask({"CLUSTER", "SETSLOT", std::to_string(ClusterSlotOf(key)), "STABLE"});
  }
}

}  // namespace dormouse
