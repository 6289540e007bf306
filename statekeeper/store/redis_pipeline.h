// An ordered pipeline of commands to one Redis server, which outlives its connections.
//
// Commands are carried out in the order of Call. When the connection breaks, or the server says that it
// cannot serve now (loading, read-only replica, busy, script cache emptied), all commands without an answer
// are sent again, in order, on the next connection: so a command must do the same when it is carried out
// twice. Before that the server is told to kill the broken connection, for it may still hold commands that it
// has not read yet, and they must not overtake what comes later.
//
// When no answer comes within the timeout, commands fail as call_queue.h says, and are not sent again.
//
// A process with a pipeline ignores SIGPIPE.
#pragma once

#include <ev++.h>
#include <hiredis/async.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/call_queue.h"
#include "statekeeper/store/host_lookup.h"
#include "statekeeper/store/redis_url.h"

namespace dormouse {

class RedisPipeline {
 public:
  // `reply` is null unless the status is kOk, and is gone when the handler returns. The handler may call, and
  // may destroy, the pipeline.
  using ReplyHandler = std::function<void(StoreStatus, const redisReply* reply)>;

  struct Config {
    RedisUrl server;
    std::string probe_key;  // of a hash or of nothing; tells whether the server takes writes
    std::vector<std::string_view> scripts;
    Duration timeout;
  };

  RedisPipeline(struct ev_loop* loop, Config config);
  ~RedisPipeline();
  RedisPipeline(const RedisPipeline&) = delete;
  RedisPipeline& operator=(const RedisPipeline&) = delete;

  // `command` is in the protocol's format (redis_command.h). Commands of one turn of the loop are written
  // together.
  void Call(std::string command, ReplyHandler done);

  // Connected, logged in, scripts loaded, and the server takes writes.
  bool healthy() const { return state_ == State::kReady; }
  // The server was reached and does not want us (wrong password, missing right, no such database, ...).
  bool refused() const { return refused_; }
  // What was wrong the last time that it was not healthy; part of a sentence.
  const std::string& trouble() const { return trouble_; }
  // The hashes by which EVALSHA knows the scripts, in their order; known once it has been healthy.
  const std::vector<std::string>& script_hashes() const { return script_hashes_; }

 private:
  enum class State { kBackOff, kLookUp, kConnecting, kHandshake, kReady };
  enum class Step { kLogin, kSelect, kProbe, kInfo, kClientId, kScript, kKillPrevious };

  struct PendingCall {
    std::string command;
    ReplyHandler done;
    size_t bytes() const { return command.size(); }
    void Fail(StoreStatus status) { done(status, nullptr); }
  };

  // Which connection of which server process.
  struct Identity {
    std::string run_id;
    int64_t client = 0;
  };

  void Connect();
  void ConnectTo(const std::string& address);
  void Adopt(redisAsyncContext* context);
  void StartHandshake();
  void SendStep(Step step, const std::string& command);
  void HandleHandshakeReply(const redisReply& reply);
  void FinishHandshake();
  void BecomeReady();
  void Reconnect(std::string trouble);
  void DropConnection();
  void HandleReply(const redisReply& reply);
  void SendCalls();

  void OnExpiry();
  void OnConnectionTimer(ev::timer&, int);
  void OnPrepare(ev::prepare&, int);
  static void OnConnect(const redisAsyncContext* context, int status);
  static void OnDisconnect(const redisAsyncContext* context, int status);
  static void OnReply(redisAsyncContext* context, void* reply, void*);

  struct ev_loop* const loop_;
  const Config config_;

  State state_ = State::kBackOff;
  std::unique_ptr<HostLookup> lookup_;
  redisAsyncContext* context_ = nullptr;  // hiredis frees it when the connection ends by itself
  int failed_attempts_ = 0;               // since it was last ready
  std::vector<Step> steps_;               // of the handshake
  size_t steps_done_ = 0;
  std::vector<std::string> script_hashes_;
  Identity connection_;  // set by the handshake
  Identity previous_;    // the last connection that carried calls
  bool refused_ = false;
  std::string trouble_ = "no connection yet";
  std::minstd_rand random_{std::random_device{}()};

  CallQueue<PendingCall> calls_;
  size_t sent_ = 0;  // the first so many calls are on the connection
  size_t sent_bytes_ = 0;
  int64_t next_log_ms_ = 0;

  ev::timer connection_timer_;  // end of the back-off, or of the time for connecting
  ev::prepare prepare_;         // sends, at the end of each turn of the loop
};

}  // namespace dormouse
