#include "statekeeper/store/sentinel_query.h"

#include <fmt/format.h>
#include <hiredis/adapters/libev.h>

#include <charconv>
#include <utility>

#include "statekeeper/store/redis_command.h"
#include "statekeeper/store/redis_reply.h"

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

SentinelQuery::SentinelQuery(struct ev_loop* loop, const RedisUrl& url, size_t first, Callback done)
    : loop_(loop), url_(url), done_(std::move(done)), timer_(loop) {
  answer_.sentinel = first % url_.hosts.size();
  timer_.set<SentinelQuery, &SentinelQuery::OnTimer>(this);
  timer_.start(0);  // not from inside the constructor
}

SentinelQuery::~SentinelQuery() { Drop(); }

void SentinelQuery::OnTimer(ev::timer&, int) {
  if (asked_ == 0) return Ask();
  Next("no answer");
}

void SentinelQuery::Ask() {
  ++asked_;
  timer_.start(kPatienceSeconds);
  if (IsNumericAddress(sentinel().host)) return Connect(sentinel().host);
  lookup_ = std::make_unique<HostLookup>(
      loop_, sentinel().host, [this](const std::vector<std::string>& addresses, const std::string& error) {
        lookup_.reset();
        if (addresses.empty()) return Next(error);
        Connect(addresses.front());
      });
}

void SentinelQuery::Connect(const std::string& address) {
  redisAsyncContext* context = redisAsyncConnect(address.c_str(), sentinel().port);
  if (context == nullptr || context->err != 0) {
    const std::string trouble = context == nullptr ? "out of memory" : context->errstr;
    if (context != nullptr) redisAsyncFree(context);
    return Next(trouble);
  }
  context_ = context;
  context_->data = this;
  redisLibevAttach(loop_, context_);
  redisAsyncSetConnectCallback(context_, OnConnect);
  redisAsyncSetDisconnectCallback(context_, OnDisconnect);
  replies_left_ = 0;
  if (!url_.sentinel_password.empty()) {
    Send(url_.sentinel_user.empty() ? RedisCommand("AUTH", url_.sentinel_password)
                                    : RedisCommand("AUTH", url_.sentinel_user, url_.sentinel_password));
  }
  Send(RedisCommand("SENTINEL", "get-master-addr-by-name", url_.service));
}

void SentinelQuery::Send(const std::string& command) {
  ++replies_left_;
  redisAsyncFormattedCommand(context_, OnReply, nullptr, command.data(), command.size());
}

void SentinelQuery::OnConnect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<SentinelQuery*>(context->data);
  if (self == nullptr || status == REDIS_OK) return;
  self->context_ = nullptr;
  self->Next(context->c.errstr);
}

void SentinelQuery::OnDisconnect(const redisAsyncContext* context, int) {
  auto* self = static_cast<SentinelQuery*>(context->data);
  if (self == nullptr) return;
  self->context_ = nullptr;
  self->Next("connection closed");
}

void SentinelQuery::OnReply(redisAsyncContext* context, void* reply, void*) {
  auto* self = static_cast<SentinelQuery*>(context->data);
  if (self == nullptr || reply == nullptr) return;
  self->HandleReply(*static_cast<redisReply*>(reply));
}

void SentinelQuery::HandleReply(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    ++refusals_;
    return Next(std::string(Text(reply)));
  }
  if (--replies_left_ > 0) return;
  answer_.master = ParseMaster(reply);
  if (!answer_.master) {
    ++refusals_;
    return Next(fmt::format("it knows no service \"{}\"", url_.service));
  }
  Drop();
  const Callback done = done_;
  done(Answer(answer_));
}

void SentinelQuery::Next(const std::string& trouble) {
  Drop();
  answer_.error = fmt::format("the sentinel at {}: {}", sentinel().ToString(), trouble);
  if (asked_ < url_.hosts.size()) {
    answer_.sentinel = (answer_.sentinel + 1) % url_.hosts.size();
    return Ask();
  }
  answer_.refused = refusals_ == url_.hosts.size();
  const Callback done = done_;
  done(Answer(answer_));
}

void SentinelQuery::Drop() {
  timer_.stop();
  lookup_.reset();
  if (redisAsyncContext* context = std::exchange(context_, nullptr); context != nullptr) {
    context->data = nullptr;
    redisAsyncFree(context);
  }
}

}  // namespace dormouse
