#include "statekeeper/store/redis/sentinel_query.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

// Enough for a lookup and two round trips. A sentinel that is down must not keep the others from being asked.
constexpr double kPatienceSeconds = 0.5;

std::optional<RedisAddress> ParseMaster(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return std::nullopt;
  const std::string_view port = Text(*reply.element[1]);
  RedisAddress master{std::string(Text(*reply.element[0])), 0};
  std::from_chars(port.data(), port.data() + port.size(), master.port);
  return master;
}

}  // namespace

SentinelQuery::SentinelQuery(struct ev_loop* loop, const RedisConfig& config, size_t first, Callback done)
    : loop_(loop), config_(config), done_(std::move(done)), timer_(loop) {
  answer_.sentinel = first % url().hosts.size();
  timer_.set<SentinelQuery, &SentinelQuery::OnTimer>(this);
  timer_.start(0);  // not from inside the constructor
}

void SentinelQuery::OnTimer(ev::timer&, int) {
  if (asked_ == 0) return Ask();
  Next(stream_->Silence());
}

void SentinelQuery::Ask() {
  ++asked_;
  password_ = url().sentinel_password;
  if (!config_.files.sentinel_password.empty()) {
    std::string error;
    const std::optional<std::string> password =
        ReadPassword("store-sentinel-password-file", config_.files.sentinel_password, &error);
    if (!password) {
      ++refusals_;
      return Next(error);
    }
    password_ = *password;
  }
  timer_.start(kPatienceSeconds);
  stream_ = std::make_unique<RedisStream>(loop_, RedisStream::Server{.address = sentinel(), .tls = url().tls},
                                          config_.files, static_cast<RedisStream::Owner*>(this));
  stream_->Start();
}

void SentinelQuery::OnConnected() {
  if (!password_.empty()) {
    stream_->Send(url().sentinel_user.empty() ? RedisCommand("AUTH", password_)
                                              : RedisCommand("AUTH", url().sentinel_user, password_));
  }
  stream_->Send(RedisCommand("SENTINEL", "get-master-addr-by-name", url().service));
  stream_->Flush();
}

void SentinelQuery::OnEnded(const RedisTrouble& trouble) {
  if (trouble.refused) ++refusals_;
  Next(trouble.text);
}

void SentinelQuery::OnAnswer(RedisReply reply) {
  if (reply->type == REDIS_REPLY_ERROR) {
    ++refusals_;
    return Next(std::string(WithoutArguments(Text(*reply))));
  }
  if (stream_->waiting()) return;
  answer_.master = ParseMaster(*reply);
  if (!answer_.master) {
    ++refusals_;
    return Next(fmt::format("it knows no service \"{}\"", url().service));
  }
  Drop();
  const Callback done = done_;
  done(Answer(answer_));
}

void SentinelQuery::Next(const std::string& trouble) {
  Drop();
  answer_.error = fmt::format("the sentinel at {}: {}", sentinel().ToString(), trouble);
  if (asked_ < url().hosts.size()) {
    answer_.sentinel = (answer_.sentinel + 1) % url().hosts.size();
    return Ask();
  }
  answer_.refused = refusals_ == url().hosts.size();
  const Callback done = done_;
  done(Answer(answer_));
}

void SentinelQuery::Drop() {
  timer_.stop();
  stream_.reset();
}

}  // namespace dormouse
