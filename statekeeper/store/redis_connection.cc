#include "statekeeper/store/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/adapters/libev.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "common/logging.h"
#include "statekeeper/store/redis_command.h"
#include "statekeeper/store/redis_errors.h"
#include "statekeeper/store/redis_reply.h"

namespace dormouse {
namespace {

constexpr int64_t kConnectTimeoutMs =
    2'000;                              // lookup, connecting and handshake; never above the calls' timeout
constexpr double kFirstBackOff = 0.05;  // seconds
constexpr double kLongestBackOff = 2;
constexpr double kWatchSeconds = 1;
constexpr int kReplicasTimeoutMs = 500;  // then the server is asked again: calls have deadlines of their own

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

RedisConnection::HeldReply::HeldReply(redisReply* reply)
    : reply_(static_cast<redisReply*>(std::malloc(sizeof(redisReply)))) {
  *reply_ = *reply;
  reply->type = REDIS_REPLY_NIL;  // what it points to is ours now
}
RedisConnection::HeldReply::HeldReply(HeldReply&& other) noexcept
    : reply_(std::exchange(other.reply_, nullptr)) {}
RedisConnection::HeldReply::~HeldReply() {
  if (reply_ != nullptr) freeReplyObject(reply_);
}

RedisConnection::RedisConnection(struct ev_loop* loop, RedisConfig config, Owner* owner)
    : loop_(loop), config_(std::move(config)), owner_(owner), connection_timer_(loop), watch_timer_(loop) {
  connection_timer_.set<RedisConnection, &RedisConnection::OnConnectionTimer>(this);
  watch_timer_.set<RedisConnection, &RedisConnection::OnWatchTimer>(this);
  // hiredis writes in a way that ends the process when the server has just closed the connection.
  signal(SIGPIPE, SIG_IGN);
  Connect();
}

RedisConnection::~RedisConnection() { DropConnection(); }

void RedisConnection::Connect() {
  const RedisUrl& server = config_.server;
  if (by_sentinel()) {
    state_ = State::kLookUp;
    sentinel_query_ = std::make_unique<SentinelQuery>(loop_, server, next_sentinel_,
                                                      [this](const SentinelQuery::Answer& answer) {
                                                        sentinel_query_.reset();
                                                        // Should this one be wrong, the next attempt begins
                                                        // with another.
                                                        next_sentinel_ = answer.sentinel + 1;
                                                        refused_ = answer.refused;
                                                        if (!answer.master) return Reconnect(answer.error);
                                                        StartConnectionTimer();
                                                        ConnectTo(*answer.master);
                                                      });
    return;
  }
  StartConnectionTimer();
  if (server.hosts.empty()) {
    Adopt(redisAsyncConnectUnix(server.unix_path.c_str()));
  } else {
    ConnectTo(server.hosts.front());
  }
}

void RedisConnection::StartConnectionTimer() {
  connection_timer_.start(static_cast<double>(std::min<int64_t>(config_.timeout.count(), kConnectTimeoutMs)) /
                          1000);
}

void RedisConnection::ConnectTo(const RedisAddress& server) {
  server_ = server;
  if (IsNumericAddress(server.host)) return Adopt(redisAsyncConnect(server.host.c_str(), server.port));
  state_ = State::kLookUp;
  lookup_ = std::make_unique<HostLookup>(
      loop_, server.host, [this](const std::vector<std::string>& addresses, const std::string& error) {
        lookup_.reset();
        if (addresses.empty()) return Reconnect(error);
        Adopt(redisAsyncConnect(addresses[failed_attempts_ % addresses.size()].c_str(), server_.port));
      });
}

void RedisConnection::Adopt(redisAsyncContext* context) {
  if (context == nullptr || context->err != 0) {
    std::string trouble = context == nullptr ? "out of memory" : context->errstr;
    if (context != nullptr) redisAsyncFree(context);
    return Reconnect(std::move(trouble));
  }
  state_ = State::kConnecting;
  ++connections_;
  context_ = context;
  context_->data = this;
  redisLibevAttach(loop_, context_);
  redisAsyncSetConnectCallback(context_, OnConnect);
  redisAsyncSetDisconnectCallback(context_, OnDisconnect);
  // So that a peer that vanished is noticed even while nobody calls. Fails on unix sockets, which need it
  // not.
  if (config_.server.unix_path.empty()) redisEnableKeepAlive(&context_->c);
}

void RedisConnection::OnConnect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr) return;
  if (status == REDIS_OK) return self->StartHandshake();
  self->context_ = nullptr;
  self->Reconnect(context->c.errstr);
}

void RedisConnection::OnDisconnect(const redisAsyncContext* context, int) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr) return;
  self->context_ = nullptr;
  self->Reconnect(context->err != 0 ? context->errstr : "connection closed");
}

void RedisConnection::StartHandshake() {
  state_ = State::kHandshake;
  steps_.clear();
  steps_done_ = 0;
  script_hashes_.clear();
  const RedisUrl& server = config_.server;
  if (!server.password.empty()) {
    SendStep(Step::kPlain, server.user.empty() ? RedisCommand("AUTH", server.password)
                                               : RedisCommand("AUTH", server.user, server.password));
  }
  if (server.database != 0) SendStep(Step::kPlain, RedisCommand("SELECT", std::to_string(server.database)));
  // Before the probe: "READONLY" says less than who it is.
  SendStep(Step::kInfo, RedisCommand("INFO", "server"));
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
}

void RedisConnection::SendStep(Step step, const std::string& command) {
  steps_.push_back(step);
  redisAsyncFormattedCommand(context_, OnAnswer, nullptr, command.data(), command.size());
}

// Nothing: it is suitable.
std::string RedisConnection::WhyUnsuitable(Step step, const redisReply& reply) const {
  if (step == Step::kRole) {
    const bool master = reply.elements > 0 && Text(*reply.element[0]) == "master";
    return master ? "" : fmt::format("{} is not a master", server_.ToString());
  }
  const std::string_view mode = InfoField(Text(reply), "redis_mode");
  if (mode == "sentinel") return "it is a sentinel: write redis+sentinel://HOST:PORT/SERVICE";
  if (cluster_node() && mode != "cluster") return "it is not a node of a Redis Cluster: write redis://";
  if (!cluster_node() && mode == "cluster") {
    return "it is a node of a Redis Cluster: write redis+cluster://HOST:PORT";
  }
  return "";
}

void RedisConnection::HandleHandshakeReply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string_view error = Text(reply);
    refused_ = !SaysAway(error);
    return Reconnect(
        fmt::format("{}{}", SaysWrongLogin(error) ? "it refuses the user or password: " : "", error));
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
}

void RedisConnection::BecomeReady() {
  connection_timer_.stop();
  state_ = State::kReady;
  refused_ = false;
  previous_ = connection_;
  if (by_sentinel()) {
    --next_sentinel_;  // it was right
    busy_since_watch_ = false;
    watch_timer_.start(kWatchSeconds, kWatchSeconds);
  }
  if (std::exchange(failed_attempts_, 0) > 0) SPDLOG_INFO("Redis at {} is back", address());
}

void RedisConnection::Reconnect(std::string trouble) {
  DropConnection();
  state_ = State::kBackOff;
  trouble_ = std::move(trouble);
  if (trouble_.ends_with('.')) trouble_.pop_back();  // it becomes part of a sentence
  if (failed_attempts_ == 0) {
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
  lookup_.reset();
  watch_timer_.stop();
  held_.clear();
  sent_since_wait_ = false;
  lacks_replicas_ = false;
  if (redisAsyncContext* context = std::exchange(context_, nullptr); context != nullptr) {
    context->data = nullptr;
    redisAsyncFree(context);
  }
}

void RedisConnection::OnConnectionTimer(ev::timer&, int) {
  if (state_ == State::kBackOff) {
    Connect();
  } else {
    Reconnect("no answer");
  }
}

void RedisConnection::OnWatchTimer(ev::timer&, int) {
  if (!std::exchange(busy_since_watch_, context_->replies.head != nullptr) || sentinel_query_ != nullptr)
    return;
  sentinel_query_ = std::make_unique<SentinelQuery>(
      loop_, config_.server, next_sentinel_, [this](const SentinelQuery::Answer& answer) {
        sentinel_query_.reset();
        if (!answer.master) return;
        next_sentinel_ = answer.sentinel;
        if (*answer.master != server_) {
          Reconnect(fmt::format("the sentinels name {} in place of {}", answer.master->ToString(),
                                server_.ToString()));
        }
      });
}

void RedisConnection::Send(std::string_view command) {
  redisAsyncFormattedCommand(context_, OnAnswer, nullptr, command.data(), command.size());
  sent_since_wait_ = true;
}

void RedisConnection::Flush() {
  busy_since_watch_ = true;
  if (config_.server.wait_replicas > 0 && std::exchange(sent_since_wait_, false)) SendWait();
  // Now, rather than when the loop has found out that the socket is writable: saves two system calls.
  redisAsyncHandleWrite(context_);
}

void RedisConnection::SendWait() {
  static char is_wait;
  const std::string command =
      RedisCommand("WAIT", std::to_string(config_.server.wait_replicas), std::to_string(kReplicasTimeoutMs));
  redisAsyncFormattedCommand(context_, OnAnswer, &is_wait, command.data(), command.size());
}

void RedisConnection::OnAnswer(redisAsyncContext* context, void* data, void* is_wait) {
  auto* self = static_cast<RedisConnection*>(context->data);
  auto* reply = static_cast<redisReply*>(data);
  if (self == nullptr || reply == nullptr) return;  // the connection ends: see OnDisconnect
  if (self->state_ == State::kHandshake) return self->HandleHandshakeReply(*reply);
  if (is_wait != nullptr) return self->HandleWaitReply(*reply);
  if (self->config_.server.wait_replicas > 0) {
    self->held_.emplace_back(reply);
  } else {
    self->owner_->OnReply(*reply);
  }
}

// Answers of commands that follow the WAIT cannot be among those held: the server carries them out after it.
void RedisConnection::HandleWaitReply(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_INTEGER) return Reconnect(std::string(Text(reply)));
  lacks_replicas_ = reply.integer < config_.server.wait_replicas;
  if (lacks_replicas_) {
    trouble_ = fmt::format("{} of {} replicas confirm what was written (wait-replicas)", reply.integer,
                           config_.server.wait_replicas);
    SendWait();
    return;
  }
  const std::deque<HeldReply> confirmed = std::exchange(held_, {});
  const std::weak_ptr<char> alive = alive_;
  const uint64_t connection = connections_;
  for (const HeldReply& held : confirmed) {
    owner_->OnReply(*held);
    if (alive.expired() || connection != connections_ || state_ != State::kReady) return;
  }
}

}  // namespace dormouse
