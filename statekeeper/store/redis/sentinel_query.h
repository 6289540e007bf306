// Asks sentinels, one after another, where the master of a service is; the first that knows it answers.
// One object, one question; destroying it forgets the question.
#pragma once

#include <ev++.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_reply.h"
#include "statekeeper/store/redis/redis_stream.h"
#include "statekeeper/store/redis/redis_url.h"

namespace dormouse {

class SentinelQuery final : private RedisStream::Owner {
 public:
  struct Answer {
    std::optional<RedisAddress> master;
    size_t sentinel = 0;   // that answered, or was the last to be asked
    std::string error;     // part of a sentence, when there is no master
    bool refused = false;  // all were reached, and none knows the service or takes the login
  };
  // Runs on the loop, once; may destroy the query.
  using Callback = std::function<void(const Answer&)>;

  // `config.server` is of a redis+sentinel:// URL, and `config` outlives the query. Sentinel number `first`
  // (modulo their number) is asked first.
  SentinelQuery(struct ev_loop* loop, const RedisConfig& config, size_t first, Callback done);
  SentinelQuery(const SentinelQuery&) = delete;
  SentinelQuery& operator=(const SentinelQuery&) = delete;

 private:
  const RedisUrl& url() const { return config_.server; }
  const RedisAddress& sentinel() const { return url().hosts[answer_.sentinel]; }
  void Ask();
  void Next(const std::string& trouble);
  void Drop();

  void OnTimer(ev::timer&, int);
  void OnConnected() override;
  void OnAnswer(RedisReply reply) override;
  void OnEnded(const RedisTrouble& trouble) override;

  struct ev_loop* const loop_;
  const RedisConfig& config_;
  const Callback done_;
  Answer answer_;
  size_t asked_ = 0;
  size_t refusals_ = 0;
  std::string password_;
  std::unique_ptr<RedisStream> stream_;
  ev::timer timer_;  // of the sentinel that is being asked
};

}  // namespace dormouse
