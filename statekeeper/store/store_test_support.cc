#include "statekeeper/store/store_test_support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "common/clock.h"

namespace dormouse {
namespace {

constexpr int kPatienceMs = 20'000;

int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("no free port");
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
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
  for (const ShardId shard : shards) claims.push_back({shard, kNoEpoch});
  const std::vector<ShardRecord> records = Claim(loop, cluster, claims);
  for (size_t i = 0; i < claims.size(); ++i) claims[i].epoch = records.at(i).epoch;
  return Claim(loop, cluster, claims);
}

uint32_t Take(TestLoop& loop, ClusterStore& cluster, const std::string& hub) {
  return Take(loop, cluster, std::vector<ShardId>{ShardOf(hub, kTestShards)}).at(0).epoch;
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
                                        "--port",
                                        std::to_string(port_),
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
  if (!options_.password.empty()) arguments.insert(arguments.end(), {"--requirepass", options_.password});
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
  while (log.find("ready to accept connections at " + socket()) == std::string::npos) {
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
  return options_.tcp ? "redis://" + login + "127.0.0.1:" + std::to_string(port_)
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
  std::string answer;
  if (reply == nullptr) {
    ADD_FAILURE() << "redis-server does not answer: " << context->errstr;
  } else {
    answer = reply->type == REDIS_REPLY_INTEGER ? std::to_string(reply->integer)
             : reply->str != nullptr            ? std::string(reply->str, reply->len)
                                                : "";
    freeReplyObject(reply);
  }
  redisFree(context);
  return answer;
}

}  // namespace dormouse
