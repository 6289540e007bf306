#include "statekeeper/store/redis/redis_pipeline.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {

RedisPipeline::RedisPipeline(struct ev_loop* loop, const RedisConfig& config)
    : probe_key_(config.probe_key + ":probe"),
      calls_(loop, config.timeout, [this] { OnExpiry(); }),
      prepare_(loop),
      connection_(loop, config, this) {
  prepare_.set<RedisPipeline, &RedisPipeline::OnPrepare>(this);
  // Always on, and last: a watcher that another one of the same phase starts would not run before the loop
  // sleeps.
  prepare_.priority = EV_MINPRI;
  prepare_.start();
}

void RedisPipeline::Call(std::string_view, std::string command, ReplyHandler done) {
  calls_.Push({std::move(command), std::move(done), false});
}

void RedisPipeline::Read(std::string_view, std::string command, ReplyHandler done) {
  calls_.Push({std::move(command), std::move(done), true});
}

void RedisPipeline::OnExpiry() {
  // The calls that are on the connection are not wanted any more, and their answers would be taken for
  // others'.
  if (sent_ > 0) connection_.Reconnect("no answer");
}

void RedisPipeline::OnPrepare(ev::prepare&, int) {
  if (sent_ < calls_.size() && connection_.ready()) SendCalls();
}

void RedisPipeline::SendCalls() {
  while (sent_ < calls_.size() && (sent_ == 0 || sent_bytes_ < kRedisWindowBytes)) {
    const PendingCall& call = calls_[sent_];
    connection_.Send(call.command, call.only_reads);
    ++sent_;
    sent_bytes_ += call.command.size();
  }
  connection_.Flush();
}

void RedisPipeline::OnBroken() {
  sent_ = 0;
  sent_bytes_ = 0;
}

void RedisPipeline::OnReply(const redisReply& reply) {
  const bool error = reply.type == REDIS_REPLY_ERROR;
  if (error && (SaysAway(Text(reply)) || IsErrorCode(Text(reply), "NOSCRIPT"))) {
    return connection_.Reconnect(std::string(Text(reply)));
  }
  if (error && SaysFull(Text(reply))) {
    connection_.Refused(Text(reply));
  } else if (error) {
    connection_.Suspect();
  }
  if (error && SteadyMs() >= next_log_ms_) {
    next_log_ms_ = SteadyMs() + kRefusalLogIntervalMs;
    SPDLOG_ERROR("Redis at {} refused a command: {}", connection_.address(), WithoutArguments(Text(reply)));
  }
  const PendingCall call = PopFront();
  if (!call.done) return;
  call.done(error ? StoreStatus::kError : StoreStatus::kOk, error ? nullptr : &reply);  // may destroy *this
}

bool RedisPipeline::TakeEarly(size_t held, const redisReply& reply) {
  if (!calls_[held].only_reads || reply.type == REDIS_REPLY_ERROR) return false;
  const ReplyHandler done = std::exchange(calls_[held].done, nullptr);
  if (done) done(StoreStatus::kOk, &reply);  // may destroy *this
  return true;
}

RedisPipeline::PendingCall RedisPipeline::PopFront() {
  PendingCall call = calls_.PopFront();
  --sent_;
  sent_bytes_ -= call.bytes();
  return call;
}

}  // namespace dormouse
