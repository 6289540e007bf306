// What the store asks of Redis, whatever stands behind it: one server (redis_pipeline.h; also the master that
// sentinels name) or a Redis Cluster (cluster_calls.h).
//
// Commands whose keys have the same slot (the same hash tag) are carried out in the order of Call; between
// slots there is no order. While a command's server is away the command waits, and is sent again when it may
// not have been carried out: so a command must do the same when it is carried out twice, alone or with those
// of its slot that followed it.
//
// When no answer comes within the timeout, a command fails, with those of its slot that came after it, as
// call_queue.h says, and is not sent again.
//
// One thread: that of the loop. A process with an object of this kind ignores SIGPIPE.
#pragma once

#include <hiredis/hiredis.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "statekeeper/store/redis/redis_url.h"
#include "statekeeper/store/redis_files.h"
#include "statekeeper/store/store.h"

namespace dormouse {

// Commands on a connection at a time. More would only grow buffers, and be sent again when the connection breaks.
inline constexpr size_t kRedisWindowBytes = 1u << 20;
// Of log lines about refused commands.
inline constexpr int64_t kRefusalLogIntervalMs = 10'000;

struct RedisConfig {
  RedisUrl server;
  RedisFiles files;
  std::string probe_key;  // of a hash or of nothing; tells whether the server takes writes
  std::vector<std::string_view> scripts;
  Duration timeout;
  bool watch_eviction = false;  // each server is asked for its policy again and again
};

class RedisCalls {
 public:
  // `reply` is null unless the status is kOk, and is gone when the handler returns. The handler may call, and
  // may destroy, the object.
  using ReplyHandler = std::function<void(StoreStatus, const redisReply* reply)>;

  virtual ~RedisCalls() = default;

  // `command` is in the protocol's format (redis_command.h), `key` any of its keys: all have the same slot.
  // Commands of one turn of the loop are written together.
  virtual void Call(std::string_view key, std::string command, ReplyHandler done) = 0;
  // The same for a command that changes nothing. Where answers wait for replicas (RedisUrl::wait_replicas)
  // those of reads need not: they may come before those of earlier commands.
  virtual void Read(std::string_view key, std::string command, ReplyHandler done) {
    Call(key, std::move(command), std::move(done));
  }

  // Connected, logged in, scripts loaded, and every server that is needed takes writes.
  virtual bool healthy() const = 0;
  // See Store.
  virtual StoreState state() const = 0;
  // A server was reached and does not want us (wrong password, missing right, no such database, ...).
  virtual bool refused() const = 0;
  // What was wrong the last time that it was not healthy; part of a sentence.
  virtual std::string trouble() const = 0;
  // With watch_eviction: a server drops keys of ours when its memory is full. A sentence that says which, and
  // what to do; empty: none that is known.
  virtual std::string eviction() const = 0;
  // The hashes by which EVALSHA knows the scripts, in their order; known once it has been healthy.
  virtual const std::vector<std::string>& script_hashes() const = 0;
};

// The kind that the URL asks for. Connects by itself.
std::unique_ptr<RedisCalls> NewRedisCalls(struct ev_loop* loop, RedisConfig config);

}  // namespace dormouse
