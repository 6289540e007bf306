// An ordered pipeline of commands to one Redis server, which outlives its connections: also to the master of
// a service, whichever server that is (redis_connection.h).
//
// Commands are carried out in the order of Call, whatever their slots. When the connection breaks, or the
// server says that it cannot serve now (loading, read-only replica, busy, script cache emptied), all commands
// without an answer are sent again, in order, on the next connection.
#pragma once

#include <ev++.h>

#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/call_queue.h"
#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_connection.h"

namespace dormouse {

class RedisPipeline : public RedisCalls, private RedisConnection::Owner {
 public:
  RedisPipeline(struct ev_loop* loop, const RedisConfig& config);
  RedisPipeline(const RedisPipeline&) = delete;
  RedisPipeline& operator=(const RedisPipeline&) = delete;

  void Call(std::string_view key, std::string command, ReplyHandler done) override;
  void Read(std::string_view key, std::string command, ReplyHandler done) override;

  bool healthy() const override { return connection_.healthy(); }
  StoreState state() const override { return connection_.state(); }
  bool refused() const override { return connection_.refused(); }
  std::string trouble() const override { return connection_.trouble(); }
  std::string eviction() const override { return connection_.eviction(); }
  const std::vector<std::string>& script_hashes() const override { return connection_.script_hashes(); }

 private:
  struct PendingCall {
    std::string command;
    ReplyHandler done;  // null: it has been answered
    bool only_reads = false;
    size_t bytes() const { return command.size(); }
    void Fail(StoreStatus status) {
      if (done) done(status, nullptr);
    }
  };

  void OnReply(const redisReply& reply) override;
  bool TakeEarly(size_t held, const redisReply& reply) override;
  void OnTaken() override { PopFront(); }
  std::string ProbeKey() override { return probe_key_; }
  PendingCall PopFront();
  void OnBroken() override;
  void SendCalls();
  void OnExpiry();
  void OnPrepare(ev::prepare&, int);

  const std::string probe_key_;
  CallQueue<PendingCall> calls_;
  size_t sent_ = 0;  // the first so many calls are on the connection
  size_t sent_bytes_ = 0;
  int64_t next_log_ms_ = 0;
  ev::prepare prepare_;  // sends, at the end of each turn of the loop
  RedisConnection connection_;
};

}  // namespace dormouse
