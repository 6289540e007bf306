#include "statekeeper/store/redis/redis_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_errors.h"

namespace dormouse {
namespace {

constexpr int64_t kConnectTimeoutMs =
    2'000;                              // lookup, connecting and handshake; never above the calls' timeout
constexpr double kFirstBackOff = 0.05;  // seconds
constexpr double kLongestBackOff = 2;
constexpr double kWatchSeconds = 1;
constexpr double kLackingSeconds = 0.1;
constexpr int64_t kIdleMs = 900;  // a second is the shortest that Redis' timeout can be

}  // namespace

RedisConnection::RedisConnection(struct ev_loop* loop, RedisConfig config, Owner* owner)
    : loop_(loop),
      config_(std::move(config)),
      owner_(owner),
      handshake_(config_, {.memory = [this](const redisReply& memory) { eviction_.Learn(memory, address()); },
                           .slots = [this](const redisReply& slots) { owner_->OnSlots(slots); }}),
      replicas_(config_.server.wait_replicas),
      eviction_(loop,
                [this] {
                  stream_->Send(RedisCommand("INFO", "memory"));
                  stream_->Flush();
                  return commands_++;
                }),
      refusals_(loop, address(),
                [this]() -> std::optional<uint64_t> {
                  const std::string key = owner_->ProbeKey();
                  if (key.empty()) return std::nullopt;
                  stream_->Send(handshake_.ProbeOfChanges(key));
                  stream_->Flush();
                  return commands_++;
                }),
      connection_timer_(loop),
      watch_timer_(loop),
      replicas_timer_(loop) {
  connection_timer_.set<RedisConnection, &RedisConnection::OnConnectionTimer>(this);
  watch_timer_.set<RedisConnection, &RedisConnection::OnWatchTimer>(this);
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
  std::string password = config_.server.password;
  if (!config_.files.password.empty()) {
    std::string error;
    std::optional<std::string> read = ReadPassword("store-password-file", config_.files.password, &error);
    refused_ = !read.has_value();
    if (!read) return Reconnect(std::move(error));
    password = *std::move(read);
  }
  connection_timer_.start(static_cast<double>(std::min<int64_t>(config_.timeout.count(), kConnectTimeoutMs)) /
                          1000);
  state_ = State::kConnecting;
  ++connections_;
  server_ = server;
  handshake_.Prepare(server, std::move(password));
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
  SendNow(handshake_.Begin());
}

void RedisConnection::SendNow(const std::vector<std::string>& commands) {
  for (const std::string& command : commands) stream_->Send(command);
  stream_->Flush();
}

void RedisConnection::ContinueHandshake(const redisReply& reply) {
  RedisHandshake::Progress progress = handshake_.OnAnswer(reply);
  if (progress.trouble) {
    refused_ = progress.trouble->refused;
    return Reconnect(std::move(progress.trouble->text));
  }
  if (progress.done) return BecomeReady();
  if (!progress.commands.empty()) SendNow(progress.commands);
}

void RedisConnection::BecomeReady() {
  connection_timer_.stop();
  state_ = State::kReady;
  renewing_ = false;
  used_ms_ = SteadyMs();
  refused_ = false;
  if (by_sentinel()) {
    --next_sentinel_;  // it was right
    busy_since_watch_ = false;
    watch_timer_.start(kWatchSeconds, kWatchSeconds);
  }
  if (config_.watch_eviction) eviction_.Start();
  refusals_.Start();
  if (replicas_.is_lacking()) {
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
  eviction_.Stop();
  refusals_.Stop();
  replicas_timer_.stop();
  commands_ = 0;
  answers_ = 0;
  replicas_.Forget();
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

void RedisConnection::OnReplicasTimer(ev::timer&, int) {
  SendWait();
  stream_->Flush();
}

void RedisConnection::Send(std::string_view command, bool only_reads) {
  stream_->SendLasting(command);
  ++commands_;
  if (!only_reads) replicas_.OnChange(commands_);
}

void RedisConnection::Flush() {
  busy_since_watch_ = true;
  used_ms_ = SteadyMs();
  if (replicas_.IsDue()) SendWait();
  stream_->Flush();
}

void RedisConnection::SendWait() { stream_->Send(replicas_.Wait(commands_++)); }

void RedisConnection::OnAnswer(RedisReply reply) {
  if (state_ == State::kHandshake) return ContinueHandshake(*reply);
  used_ms_ = SteadyMs();
  const uint64_t command = answers_++;
  if (replicas_.IsAnswer(command)) return HandleWaitReply(*reply, command);
  if (eviction_.IsAnswer(command)) return eviction_.Learn(*reply, address());
  if (refusals_.IsAnswer(command)) return LearnOfChanges(*reply);
  if (!replicas_.MustHold()) return owner_->OnReply(*reply);
  replicas_.held.push_back(std::move(reply));
  if (replicas_.is_lacking()) LetReadsPass(replicas_.held.size() - 1);
}

// Whatever the error says: what would have been written was not.
void RedisConnection::LearnOfChanges(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ERROR) return refusals_.Taken();
  const std::string_view error = Text(reply);
  const bool of_cluster = config_.server.kind == RedisUrl::Kind::kCluster;
  // As it is with other commands: the next connection may be to a server that can.
  if (IsErrorCode(error, "NOSCRIPT") || (!of_cluster && SaysAway(error)))
    return Reconnect(std::string(WithoutArguments(error)));
  if (!SaysElsewhere(error)) refusals_.Refused(error);
}

StoreState RedisConnection::state() const {
  if (healthy()) return refusals_.refusal().empty() ? StoreState::kWell : StoreState::kRefuses;
  return SaysRefusal(trouble_) ? StoreState::kRefuses : StoreState::kAway;
}

const std::string& RedisConnection::trouble() const {
  return healthy() && !refusals_.refusal().empty() ? refusals_.refusal() : trouble_;
}

// While replicas are lacking, what reads waits for no change before it: that may be for ever.
void RedisConnection::LetReadsPass(size_t from) {
  // The owner may be gone when it has taken one.
  const std::weak_ptr<char> alive = alive_;
  const uint64_t connection = connections_;
  std::deque<RedisReply>& held = replicas_.held;
  for (size_t i = from; i < held.size(); ++i) {
    if (held[i] == nullptr) continue;
    RedisReply reply = std::move(held[i]);
    const bool taken = owner_->TakeEarly(i, *reply);
    if (alive.expired() || connection != connections_ || state_ != State::kReady) return;
    if (!taken) held[i] = std::move(reply);
  }
}

// Answers of commands that follow the WAIT cannot be among those held: the server carries them out after it.
void RedisConnection::HandleWaitReply(const redisReply& reply, uint64_t wait) {
  if (reply.type != REDIS_REPLY_INTEGER) return Reconnect(std::string(WithoutArguments(Text(reply))));
  if (!replicas_.OnConfirmed(reply.integer, wait)) {
    trouble_ = fmt::format("{} of {} replicas confirm what was written (wait-replicas)", reply.integer,
                           config_.server.wait_replicas);
    if (!replicas_.is_under_way()) replicas_timer_.start(kLackingSeconds);
    return LetReadsPass(0);
  }
  replicas_timer_.stop();
  if (replicas_.MustAskAgain()) {
    SendWait();
    stream_->Flush();
  }
  const std::deque<RedisReply> confirmed = std::exchange(replicas_.held, {});
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
