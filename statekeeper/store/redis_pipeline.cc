#include "statekeeper/store/redis_pipeline.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <hiredis/adapters/libev.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis_command.h"

namespace dormouse {
namespace {

// On the connection at a time. More would only grow buffers, and be sent again when the connection breaks.
constexpr size_t kWindowBytes = 1u << 20;
constexpr int64_t kConnectTimeoutMs =
    2'000;                              // lookup, connecting and handshake; never above the calls' timeout
constexpr double kFirstBackOff = 0.05;  // seconds
constexpr double kLongestBackOff = 2;
constexpr int64_t kLogIntervalMs = 10'000;

std::string_view Text(const redisReply& reply) { return {reply.str, reply.len}; }

bool IsCode(std::string_view error, std::string_view code) {
  return error.starts_with(code) && (error.size() == code.size() || error[code.size()] == ' ');
}

// The server cannot serve now, but will later.
bool SaysAway(std::string_view error) {
  for (const std::string_view code :
       {"LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "BUSY", "CLUSTERDOWN", "NOREPLICAS"}) {
    if (IsCode(error, code)) return true;
  }
  return false;
}

bool SaysWrongLogin(std::string_view error) {
  return IsCode(error, "WRONGPASS") || IsCode(error, "NOAUTH") ||
         error.find("without any password") != std::string_view::npos;
}

// The value of a line "name:value" of INFO's answer.
std::string_view InfoField(std::string_view info, std::string_view name) {
  const size_t at = info.find(fmt::format("\n{}:", name));
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + name.size() + 2);
  return info.substr(0, info.find_first_of("\r\n"));
}

bool IsNumericAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

RedisPipeline::RedisPipeline(struct ev_loop* loop, Config config)
    : loop_(loop),
      config_(std::move(config)),
      calls_(loop, config_.timeout, [this] { OnExpiry(); }),
      connection_timer_(loop),
      prepare_(loop) {
  connection_timer_.set<RedisPipeline, &RedisPipeline::OnConnectionTimer>(this);
  prepare_.set<RedisPipeline, &RedisPipeline::OnPrepare>(this);
  // Always on, and last: a watcher that another one of the same phase starts would not run before the loop
  // sleeps.
  prepare_.priority = EV_MINPRI;
  prepare_.start();
  // hiredis writes in a way that ends the process when the server has just closed the connection.
  signal(SIGPIPE, SIG_IGN);
  Connect();
}

RedisPipeline::~RedisPipeline() { DropConnection(); }

void RedisPipeline::Call(std::string command, ReplyHandler done) {
  calls_.Push({std::move(command), std::move(done)});
}

void RedisPipeline::Connect() {
  connection_timer_.start(static_cast<double>(std::min<int64_t>(config_.timeout.count(), kConnectTimeoutMs)) /
                          1000);
  if (!config_.server.unix_path.empty()) {
    Adopt(redisAsyncConnectUnix(config_.server.unix_path.c_str()));
  } else if (IsNumericAddress(config_.server.host)) {
    ConnectTo(config_.server.host);
  } else {
    state_ = State::kLookUp;
    lookup_ = std::make_unique<HostLookup>(
        loop_, config_.server.host,
        [this](const std::vector<std::string>& addresses, const std::string& error) {
          lookup_.reset();
          if (addresses.empty()) return Reconnect(error);
          ConnectTo(addresses[failed_attempts_ % addresses.size()]);
        });
  }
}

void RedisPipeline::ConnectTo(const std::string& address) {
  Adopt(redisAsyncConnect(address.c_str(), config_.server.port));
}

void RedisPipeline::Adopt(redisAsyncContext* context) {
  if (context == nullptr || context->err != 0) {
    std::string trouble = context == nullptr ? "out of memory" : context->errstr;
    if (context != nullptr) redisAsyncFree(context);
    return Reconnect(std::move(trouble));
  }
  state_ = State::kConnecting;
  context_ = context;
  context_->data = this;
  redisLibevAttach(loop_, context_);
  redisAsyncSetConnectCallback(context_, OnConnect);
  redisAsyncSetDisconnectCallback(context_, OnDisconnect);
  // So that a peer that vanished is noticed even while nobody calls. Fails on unix sockets, which need it
  // not.
  if (config_.server.unix_path.empty()) redisEnableKeepAlive(&context_->c);
}

void RedisPipeline::OnConnect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<RedisPipeline*>(context->data);
  if (self == nullptr) return;
  if (status == REDIS_OK) return self->StartHandshake();
  self->context_ = nullptr;
  self->Reconnect(context->c.errstr);
}

void RedisPipeline::OnDisconnect(const redisAsyncContext* context, int) {
  auto* self = static_cast<RedisPipeline*>(context->data);
  if (self == nullptr) return;
  self->context_ = nullptr;
  self->Reconnect(context->err != 0 ? context->errstr : "connection closed");
}

void RedisPipeline::StartHandshake() {
  state_ = State::kHandshake;
  steps_.clear();
  steps_done_ = 0;
  script_hashes_.clear();
  const RedisUrl& server = config_.server;
  if (!server.password.empty()) {
    SendStep(Step::kLogin, server.user.empty() ? RedisCommand("AUTH", server.password)
                                               : RedisCommand("AUTH", server.user, server.password));
  }
  if (server.database != 0) SendStep(Step::kSelect, RedisCommand("SELECT", std::to_string(server.database)));
  // A write that changes nothing: refused by a replica and while loading.
  SendStep(Step::kProbe, RedisCommand("HDEL", config_.probe_key, ""));
  SendStep(Step::kInfo, RedisCommand("INFO", "server"));
  SendStep(Step::kClientId, RedisCommand("CLIENT", "ID"));
  for (const std::string_view script : config_.scripts) {
    SendStep(Step::kScript, RedisCommand("SCRIPT", "LOAD", script));
  }
}

void RedisPipeline::SendStep(Step step, const std::string& command) {
  steps_.push_back(step);
  redisAsyncFormattedCommand(context_, OnReply, nullptr, command.data(), command.size());
}

void RedisPipeline::HandleHandshakeReply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string_view error = Text(reply);
    refused_ = !SaysAway(error);
    return Reconnect(
        fmt::format("{}{}", SaysWrongLogin(error) ? "it refuses the user or password: " : "", error));
  }
  switch (steps_[steps_done_++]) {
    case Step::kInfo:
      connection_.run_id = InfoField(Text(reply), "run_id");
      break;
    case Step::kClientId:
      connection_.client = reply.integer;
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

void RedisPipeline::FinishHandshake() {
  // Also when there is nothing to kill: a user without this right is refused at start, not at the first
  // failure.
  const bool same_server = previous_.run_id == connection_.run_id;
  SendStep(Step::kKillPrevious,
           RedisCommand("CLIENT", "KILL", "ID", std::to_string(same_server ? previous_.client : INT64_MAX),
                        "SKIPME", "yes"));
}

void RedisPipeline::BecomeReady() {
  connection_timer_.stop();
  state_ = State::kReady;
  refused_ = false;
  previous_ = connection_;
  if (std::exchange(failed_attempts_, 0) > 0) SPDLOG_INFO("Redis at {} is back", config_.server.Address());
}

void RedisPipeline::Reconnect(std::string trouble) {
  DropConnection();
  state_ = State::kBackOff;
  trouble_ = std::move(trouble);
  if (trouble_.ends_with('.')) trouble_.pop_back();  // it becomes part of a sentence
  if (failed_attempts_ == 0) {
    SPDLOG_WARN("Redis at {} is away: {}. Changes wait for it, {} ms at most.", config_.server.Address(),
                trouble_, config_.timeout.count());
  }
  const double back_off = std::min(kLongestBackOff, kFirstBackOff * (1 << std::min(failed_attempts_, 10)));
  ++failed_attempts_;
  connection_timer_.stop();
  connection_timer_.start(back_off * std::uniform_real_distribution(0.75, 1.25)(random_));
}

void RedisPipeline::DropConnection() {
  lookup_.reset();
  sent_ = 0;
  sent_bytes_ = 0;
  if (redisAsyncContext* context = std::exchange(context_, nullptr); context != nullptr) {
    context->data = nullptr;
    redisAsyncFree(context);
  }
}

void RedisPipeline::OnConnectionTimer(ev::timer&, int) {
  if (state_ == State::kBackOff) {
    Connect();
  } else {
    Reconnect("no answer");
  }
}

void RedisPipeline::OnExpiry() {
  // The calls that are on the connection are not wanted any more, and their answers would be taken for
  // others'.
  if (sent_ > 0) Reconnect("no answer");
}

void RedisPipeline::OnPrepare(ev::prepare&, int) {
  if (state_ == State::kReady && sent_ < calls_.size()) SendCalls();
}

void RedisPipeline::SendCalls() {
  while (sent_ < calls_.size() && (sent_ == 0 || sent_bytes_ < kWindowBytes)) {
    const std::string& command = calls_[sent_].command;
    redisAsyncFormattedCommand(context_, OnReply, nullptr, command.data(), command.size());
    ++sent_;
    sent_bytes_ += command.size();
  }
  // Now, rather than when the loop has found out that the socket is writable: saves two system calls.
  redisAsyncHandleWrite(context_);
}

void RedisPipeline::OnReply(redisAsyncContext* context, void* reply, void*) {
  auto* self = static_cast<RedisPipeline*>(context->data);
  if (self == nullptr || reply == nullptr) return;  // the connection ends: see OnDisconnect
  if (self->state_ == State::kHandshake) return self->HandleHandshakeReply(*static_cast<redisReply*>(reply));
  self->HandleReply(*static_cast<redisReply*>(reply));
}

void RedisPipeline::HandleReply(const redisReply& reply) {
  const bool error = reply.type == REDIS_REPLY_ERROR;
  if (error && (SaysAway(Text(reply)) || IsCode(Text(reply), "NOSCRIPT"))) {
    return Reconnect(std::string(Text(reply)));
  }
  if (error && SteadyMs() >= next_log_ms_) {
    next_log_ms_ = SteadyMs() + kLogIntervalMs;
    SPDLOG_ERROR("Redis at {} refused a command: {}", config_.server.Address(), Text(reply));
  }
  const PendingCall call = calls_.PopFront();
  --sent_;
  sent_bytes_ -= call.bytes();
  call.done(error ? StoreStatus::kError : StoreStatus::kOk, error ? nullptr : &reply);  // may destroy *this
}

}  // namespace dormouse
