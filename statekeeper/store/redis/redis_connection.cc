#include "statekeeper/store/redis/redis_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

constexpr int64_t kConnectTimeoutMs =
    2'000;                              // lookup, connecting and handshake; never above the calls' timeout
constexpr double kFirstBackOff = 0.05;  // seconds
constexpr double kLongestBackOff = 2;
constexpr double kWatchSeconds = 1;
// For what was written to come to the replicas. While they are lacking the server is asked now and then, and
// never waits: other commands would have to.
constexpr int kReplicasTimeoutMs = 500;
constexpr int kLackingTimeoutMs = 1;
constexpr double kLackingSeconds = 0.1;
constexpr double kEvictionSeconds = 5;
constexpr int64_t kIdleMs = 900;  // a second is the shortest that Redis' timeout can be

bool SaysWrongLogin(std::string_view error) {
  return IsErrorCode(error, "WRONGPASS") || IsErrorCode(error, "NOAUTH") ||
         error.find("without any password") != std::string_view::npos;
}

// The value of a line "name:value" of INFO's answer.
std::string_view InfoField(std::string_view info, std::string_view name) {
  const size_t at = info.find(fmt::format("\n{}:", name));
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + name.size() + 2);
  return info.substr(0, info.find_first_of("\r\n"));
}

}  // namespace

RedisConnection::RedisConnection(struct ev_loop* loop, RedisConfig config, Owner* owner)
    : loop_(loop),
      config_(std::move(config)),
      owner_(owner),
      connection_timer_(loop),
      watch_timer_(loop),
      eviction_timer_(loop),
      replicas_timer_(loop) {
  connection_timer_.set<RedisConnection, &RedisConnection::OnConnectionTimer>(this);
  watch_timer_.set<RedisConnection, &RedisConnection::OnWatchTimer>(this);
  eviction_timer_.set<RedisConnection, &RedisConnection::OnEvictionTimer>(this);
  replicas_timer_.set<RedisConnection, &RedisConnection::OnReplicasTimer>(this);
  // TLS writes in a way that ends the process when the server has just closed the connection.
  signal(SIGPIPE, SIG_IGN);
  Connect();
}

void RedisConnection::Connect() {
  const RedisUrl& server = config_.server;
  if (!by_sentinel()) return ConnectTo(server.hosts.empty() ? RedisAddress{} : server.hosts.front());
  state_ = State::kAskingSentinels;
  sentinel_query_ = std::make_unique<SentinelQuery>(
      loop_, config_, next_sentinel_, [this](const SentinelQuery::Answer& answer) {
        sentinel_query_.reset();
        next_sentinel_ =
            answer.sentinel + 1;  // should this one be wrong, the next attempt begins with another
        refused_ = answer.refused;
        if (!answer.master) return Reconnect(answer.error);
        ConnectTo(*answer.master);
      });
}

void RedisConnection::ConnectTo(const RedisAddress& server) {
  password_ = config_.server.password;
  if (!config_.files.password.empty()) {
    std::string error;
    const std::optional<std::string> password =
        ReadPassword("store-password-file", config_.files.password, &error);
    refused_ = !password.has_value();
    if (!password) return Reconnect(std::move(error));
    password_ = *password;
  }
  connection_timer_.start(static_cast<double>(std::min<int64_t>(config_.timeout.count(), kConnectTimeoutMs)) /
                          1000);
  state_ = State::kConnecting;
  ++connections_;
  server_ = server;
  stream_ =
      std::make_unique<RedisStream>(loop_,
                                    RedisStream::Server{.address = server,
                                                        .unix_path = config_.server.unix_path,
                                                        .tls = config_.server.tls,
                                                        .attempt = static_cast<size_t>(failed_attempts_)},
                                    config_.files, static_cast<RedisStream::Owner*>(this));
  stream_->Start();
}

bool RedisConnection::WasIdle() const {
  return state_ == State::kReady && !stream_->waiting() && SteadyMs() - used_ms_ >= kIdleMs;
}

void RedisConnection::OnEnded(const RedisTrouble& trouble) {
  refused_ = trouble.refused;
  if (!refused_ && WasIdle()) {
    SPDLOG_DEBUG("Redis at {} has closed an idle connection: {}", address(), trouble.text);
    DropConnection();
    renewing_ = true;
    owner_->OnBroken();
    return Connect();
  }
  Reconnect(trouble.text);
}

void RedisConnection::OnConnected() {
  state_ = State::kHandshake;
  steps_.clear();
  steps_done_ = 0;
  script_hashes_.clear();
  const RedisUrl& server = config_.server;
  if (!password_.empty()) {
    SendStep(Step::kPlain, server.user.empty() ? RedisCommand("AUTH", password_)
                                               : RedisCommand("AUTH", server.user, password_));
  }
  if (server.database != 0) SendStep(Step::kPlain, RedisCommand("SELECT", std::to_string(server.database)));
  // Before the probe: "READONLY" says less than who it is.
  SendStep(Step::kInfo, RedisCommand("INFO", "server"));
  if (config_.watch_eviction) SendStep(Step::kMemory, RedisCommand("INFO", "memory"));
  if (by_sentinel()) SendStep(Step::kRole, RedisCommand("ROLE"));
  if (cluster_node()) {
    SendStep(Step::kSlots, RedisCommand("CLUSTER", "SLOTS"));
    // Needed later: a user without these rights is refused at start.
    SendStep(Step::kPlain, RedisCommand("MULTI"));
    SendStep(Step::kPlain, RedisCommand("EXEC"));
  } else {
    // A write that changes nothing: refused by a replica and while loading.
    SendStep(Step::kProbe, RedisCommand("HDEL", config_.probe_key, ""));
  }
  SendStep(Step::kClientId, RedisCommand("CLIENT", "ID"));
  for (const std::string_view script : config_.scripts) {
    SendStep(Step::kScript, RedisCommand("SCRIPT", "LOAD", script));
  }
  stream_->Flush();
}

void RedisConnection::SendStep(Step step, const std::string& command) {
  steps_.push_back(step);
  stream_->Send(command);
}

// Nothing: it is suitable.
std::string RedisConnection::WhyUnsuitable(Step step, const redisReply& reply) const {
  if (step == Step::kRole) {
    const bool master = reply.elements > 0 && Text(*reply.element[0]) == "master";
    return master ? "" : fmt::format("{} is not a master", server_.ToString());
  }
  const std::string_view mode = InfoField(Text(reply), "redis_mode");
  const std::string_view scheme = config_.server.tls ? "rediss" : "redis";
  if (mode == "sentinel")
    return fmt::format("it is a sentinel: write {}+sentinel://HOST:PORT/SERVICE", scheme);
  if (cluster_node() && mode != "cluster") {
    return fmt::format("it is not a node of a Redis Cluster: write {}://", scheme);
  }
  if (!cluster_node() && mode == "cluster") {
    return fmt::format("it is a node of a Redis Cluster: write {}+cluster://HOST:PORT", scheme);
  }
  return "";
}

void RedisConnection::HandleHandshakeReply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string_view error = Text(reply);
    refused_ = !SaysAway(error);
    return Reconnect(fmt::format("{}{}", SaysWrongLogin(error) ? "it refuses the user or password: " : "",
                                 WithoutArguments(error)));
  }
  const Step step = steps_[steps_done_++];
  switch (step) {
    case Step::kRole:
    case Step::kInfo:
      if (std::string why = WhyUnsuitable(step, reply); !why.empty()) {
        refused_ = step == Step::kInfo;
        return Reconnect(std::move(why));
      }
      if (step == Step::kInfo) connection_.run_id = InfoField(Text(reply), "run_id");
      break;
    case Step::kMemory:
      LearnPolicy(reply);
      break;
    case Step::kClientId:
      connection_.client = reply.integer;
      break;
    case Step::kSlots:
      owner_->OnSlots(reply);
      break;
    case Step::kScript:
      script_hashes_.emplace_back(Text(reply));
      break;
    case Step::kKillPrevious:
      return BecomeReady();
    default:
      break;
  }
  if (steps_done_ == steps_.size()) FinishHandshake();
}

void RedisConnection::FinishHandshake() {
  // Also when there is nothing to kill: a user without this right is refused at start, not at the first
  // failure.
  const bool same_server = previous_.run_id == connection_.run_id;
  SendStep(Step::kKillPrevious,
           RedisCommand("CLIENT", "KILL", "ID", std::to_string(same_server ? previous_.client : INT64_MAX),
                        "SKIPME", "yes"));
  stream_->Flush();
}

void RedisConnection::BecomeReady() {
  connection_timer_.stop();
  state_ = State::kReady;
  renewing_ = false;
  used_ms_ = SteadyMs();
  refused_ = false;
  previous_ = connection_;
  if (by_sentinel()) {
    --next_sentinel_;  // it was right
    busy_since_watch_ = false;
    watch_timer_.start(kWatchSeconds, kWatchSeconds);
  }
  if (config_.watch_eviction) eviction_timer_.start(kEvictionSeconds, kEvictionSeconds);
  if (lacks_replicas_) {
    SendWait();
    stream_->Flush();
  }
  if (std::exchange(failed_attempts_, 0) > 0) SPDLOG_INFO("Redis at {} is back", address());
}

void RedisConnection::Reconnect(std::string trouble) {
  DropConnection();
  renewing_ = false;
  state_ = State::kBackOff;
  if (trouble.ends_with('.')) trouble.pop_back();  // it becomes part of a sentence
  const bool news = failed_attempts_ == 0 || (refused_ && trouble != trouble_);
  trouble_ = std::move(trouble);
  if (news) {
    SPDLOG_WARN("Redis at {} is away: {}. Changes wait for it, {} ms at most.", address(), trouble_,
                config_.timeout.count());
  }
  const double back_off = std::min(kLongestBackOff, kFirstBackOff * (1 << std::min(failed_attempts_, 10)));
  ++failed_attempts_;
  connection_timer_.stop();
  connection_timer_.start(back_off * std::uniform_real_distribution(0.75, 1.25)(random_));
  owner_->OnBroken();
}

void RedisConnection::DropConnection() {
  sentinel_query_.reset();
  watch_timer_.stop();
  eviction_timer_.stop();
  replicas_timer_.stop();
  commands_ = 0;
  answers_ = 0;
  last_change_ = 0;
  confirmed_ = 0;
  waits_.clear();
  memory_checks_.clear();
  held_.clear();
  sent_since_wait_ = false;
  stream_.reset();
}

void RedisConnection::OnConnectionTimer(ev::timer&, int) {
  if (state_ == State::kBackOff) {
    Connect();
  } else {
    Reconnect(stream_->Silence());
  }
}

void RedisConnection::OnWatchTimer(ev::timer&, int) {
  if (!std::exchange(busy_since_watch_, stream_->waiting()) || sentinel_query_ != nullptr) return;
  sentinel_query_ = std::make_unique<SentinelQuery>(
      loop_, config_, next_sentinel_, [this](const SentinelQuery::Answer& answer) {
        sentinel_query_.reset();
        if (!answer.master) return;
        next_sentinel_ = answer.sentinel;
        if (*answer.master != server_) {
          Reconnect(fmt::format("the sentinels name {} in place of {}", answer.master->ToString(),
                                server_.ToString()));
        }
      });
}

void RedisConnection::OnEvictionTimer(ev::timer&, int) {
  memory_checks_.push_back(commands_++);
  stream_->Send(RedisCommand("INFO", "memory"));
  stream_->Flush();
}

// volatile-... drops keys that have a time to live, as none of ours has.
void RedisConnection::LearnPolicy(const redisReply& memory) {
  const std::string_view policy = InfoField(Text(memory), "maxmemory_policy");
  eviction_ = policy.starts_with("allkeys-")
                  ? fmt::format(
                        "Redis at {} drops keys when its memory is full (maxmemory-policy {}), and with them "
                        "state and connections: set maxmemory-policy noeviction there",
                        address(), policy)
                  : "";
}

void RedisConnection::OnReplicasTimer(ev::timer&, int) {
  SendWait();
  stream_->Flush();
}

void RedisConnection::Send(std::string_view command, bool only_reads) {
  stream_->SendLasting(command);
  ++commands_;
  if (only_reads) return;
  last_change_ = commands_;
  sent_since_wait_ = true;
}

void RedisConnection::Flush() {
  busy_since_watch_ = true;
  used_ms_ = SteadyMs();
  // While replicas are lacking one WAIT after the other is under way.
  if (config_.server.wait_replicas > 0 && std::exchange(sent_since_wait_, false) && !lacks_replicas_)
    SendWait();
  stream_->Flush();
}

void RedisConnection::SendWait() {
  waits_.push_back(commands_++);
  stream_->Send(RedisCommand("WAIT", std::to_string(config_.server.wait_replicas),
                             std::to_string(lacks_replicas_ ? kLackingTimeoutMs : kReplicasTimeoutMs)));
}

void RedisConnection::OnAnswer(RedisReply reply) {
  if (state_ == State::kHandshake) return HandleHandshakeReply(*reply);
  used_ms_ = SteadyMs();
  const uint64_t command = answers_++;
  if (!waits_.empty() && waits_.front() == command) {
    waits_.pop_front();
    return HandleWaitReply(*reply, command);
  }
  if (!memory_checks_.empty() && memory_checks_.front() == command) {
    memory_checks_.pop_front();
    return LearnPolicy(*reply);
  }
  if (config_.server.wait_replicas == 0 || (held_.empty() && last_change_ <= confirmed_)) {
    return owner_->OnReply(*reply);
  }
  held_.push_back(std::move(reply));
  if (lacks_replicas_) LetReadsPass(held_.size() - 1);
}

// While replicas are lacking, what reads waits for no change before it: that may be for ever.
void RedisConnection::LetReadsPass(size_t from) {
  // The owner may be gone when it has taken one.
  const std::weak_ptr<char> alive = alive_;
  const uint64_t connection = connections_;
  for (size_t i = from; i < held_.size(); ++i) {
    if (held_[i] == nullptr) continue;
    RedisReply reply = std::move(held_[i]);
    const bool taken = owner_->TakeEarly(i, *reply);
    if (alive.expired() || connection != connections_ || state_ != State::kReady) return;
    if (!taken) held_[i] = std::move(reply);
  }
}

// Answers of commands that follow the WAIT cannot be among those held: the server carries them out after it.
void RedisConnection::HandleWaitReply(const redisReply& reply, uint64_t wait) {
  if (reply.type != REDIS_REPLY_INTEGER) return Reconnect(std::string(WithoutArguments(Text(reply))));
  lacks_replicas_ = reply.integer < config_.server.wait_replicas;
  if (lacks_replicas_) {
    trouble_ = fmt::format("{} of {} replicas confirm what was written (wait-replicas)", reply.integer,
                           config_.server.wait_replicas);
    if (waits_.empty()) replicas_timer_.start(kLackingSeconds);
    return LetReadsPass(0);
  }
  replicas_timer_.stop();
  confirmed_ = wait;
  if (waits_.empty() && last_change_ > confirmed_) {  // sent while replicas were lacking
    SendWait();
    stream_->Flush();
  }
  const std::deque<RedisReply> confirmed = std::exchange(held_, {});
  const std::weak_ptr<char> alive = alive_;
  const uint64_t connection = connections_;
  for (const RedisReply& held : confirmed) {
    if (held == nullptr) {
      owner_->OnTaken();
    } else {
      owner_->OnReply(*held);
    }
    if (alive.expired() || connection != connections_ || state_ != State::kReady) return;
  }
}

}  // namespace dormouse
