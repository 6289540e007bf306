#include "statekeeper/store/redis_pipeline.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis_errors.h"
#include "statekeeper/store/redis_reply.h"

namespace dormouse {
namespace {

// On the connection at a time. More would only grow buffers, and be sent again when the connection breaks.
constexpr size_t kWindowBytes = 1u << 20;
constexpr int64_t kLogIntervalMs = 10'000;

}  // namespace

RedisPipeline::RedisPipeline(struct ev_loop* loop, const RedisConfig& config)
    : calls_(loop, config.timeout, [this] { OnExpiry(); }), prepare_(loop), connection_(loop, config, this) {
  prepare_.set<RedisPipeline, &RedisPipeline::OnPrepare>(this);
  // Always on, and last: a watcher that another one of the same phase starts would not run before the loop
  // sleeps.
  prepare_.priority = EV_MINPRI;
  prepare_.start();
}

void RedisPipeline::Call(std::string_view, std::string command, ReplyHandler done) {
  calls_.Push({std::move(command), std::move(done)});
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
  while (sent_ < calls_.size() && (sent_ == 0 || sent_bytes_ < kWindowBytes)) {
    const std::string& command = calls_[sent_].command;
    connection_.Send(command);
    ++sent_;
    sent_bytes_ += command.size();
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
  if (error && SteadyMs() >= next_log_ms_) {
    next_log_ms_ = SteadyMs() + kLogIntervalMs;
    SPDLOG_ERROR("Redis at {} refused a command: {}", connection_.address(), WithoutArguments(Text(reply)));
  }
  const PendingCall call = calls_.PopFront();
  --sent_;
  sent_bytes_ -= call.bytes();
  call.done(error ? StoreStatus::kError : StoreStatus::kOk, error ? nullptr : &reply);  // may destroy *this
}

}  // namespace dormouse
