// Asks sentinels, one after another, where the master of a service is; the first that knows it answers.
// One object, one question; destroying it forgets the question.
#pragma once

#include <ev++.h>
#include <hiredis/async.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "statekeeper/store/host_lookup.h"
#include "statekeeper/store/redis_url.h"

namespace dormouse {

class SentinelQuery {
 public:
  struct Answer {
    std::optional<RedisAddress> master;
    size_t sentinel = 0;   // that answered, or was the last to be asked
    std::string error;     // part of a sentence, when there is no master
    bool refused = false;  // all were reached, and none knows the service or takes the login
  };
  // Runs on the loop, once; may destroy the query.
  using Callback = std::function<void(const Answer&)>;

  // `url` is a redis+sentinel:// one and outlives the query. Sentinel number `first` (modulo their number) is
  // asked first.
  SentinelQuery(struct ev_loop* loop, const RedisUrl& url, size_t first, Callback done);
  ~SentinelQuery();
  SentinelQuery(const SentinelQuery&) = delete;
  SentinelQuery& operator=(const SentinelQuery&) = delete;

 private:
  const RedisAddress& sentinel() const { return url_.hosts[answer_.sentinel % url_.hosts.size()]; }
  void Ask();
  void Connect(const std::string& address);
  void Send(const std::string& command);
  void HandleReply(const redisReply& reply);
  void Next(const std::string& trouble);
  void Drop();

  void OnTimer(ev::timer&, int);
  static void OnConnect(const redisAsyncContext* context, int status);
  static void OnDisconnect(const redisAsyncContext* context, int status);
  static void OnReply(redisAsyncContext* context, void* reply, void*);

  struct ev_loop* const loop_;
  const RedisUrl& url_;
  const Callback done_;
  Answer answer_;
  size_t asked_ = 0;
  size_t refusals_ = 0;
  int replies_left_ = 0;
  std::unique_ptr<HostLookup> lookup_;
  redisAsyncContext* context_ = nullptr;
  ev::timer timer_;  // of the sentinel that is being asked
};

}  // namespace dormouse
