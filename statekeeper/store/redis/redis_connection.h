// A connection to one Redis server that is made again, with back-off, whenever it breaks. RedisPipeline and
// ClusterCalls keep what is to be sent. One that ends while nothing is under way and nobody has used it for a
// while (Redis' option timeout) is replaced at once, and that is no outage unless it cannot be.
//
// What is said before a connection is used: redis_handshake.h. With wait-replicas=N answers are held back until N
// replicas have what was written before them (replica_waits.h), save those of commands that only read. While replicas
// are lacking, it is not healthy, also on the connections that follow.
//
// To the master of a service it asks the sentinels for its address, each time anew, checks that the server is
// a master, and while commands are sent asks again now and then: a master that was replaced while it hangs
// does not close its connections.
#pragma once

#include <ev++.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/redis/eviction_watch.h"
#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_handshake.h"
#include "statekeeper/store/redis/redis_reply.h"
#include "statekeeper/store/redis/redis_stream.h"
#include "statekeeper/store/redis/refusal_watch.h"
#include "statekeeper/store/redis/replica_waits.h"
#include "statekeeper/store/redis/sentinel_query.h"

namespace dormouse {

class RedisConnection final : private RedisStream::Owner {
 public:
  class Owner {
   public:
    // The answer to the oldest command that has none. May destroy the connection.
    virtual void OnReply(const redisReply& reply) = 0;
    // There will be no more answers to the commands sent so far; each may or may not have been carried out.
    // Also before the first connection.
    virtual void OnBroken() = 0;
    // An answer is about to be held back behind `held` others. True: it need not be, and was taken.
    virtual bool TakeEarly(size_t /*held*/, const redisReply& /*reply*/) { return false; }
    // The answer to the oldest command that has none was taken early. Must not destroy the connection.
    virtual void OnTaken() {}
    // To a node of a cluster: the answer to CLUSTER SLOTS. Must not destroy the connection.
    virtual void OnSlots(const redisReply&) {}
    // A key of nothing for what finds out whether the server takes changes; empty: there is none that is its.
    virtual std::string ProbeKey() = 0;

   protected:
    ~Owner() = default;
  };

  // `config.server` is a server, a socket, the master of a service, or (the first host) a node of a cluster.
  RedisConnection(struct ev_loop* loop, RedisConfig config, Owner* owner);
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // A command in the protocol's format; while ready() only. It leaves with Flush. A long one
  // (RedisOutput::kReferredBytes) stays until OnReply, OnTaken or OnBroken.
  void Send(std::string_view command, bool only_reads = false);
  void Flush();

  // Breaks the connection. The next one comes after a back-off.
  void Reconnect(std::string trouble);

  // Every change was refused with this error.
  void Refused(std::string_view error) { refusals_.Refused(error); }
  // A command was refused, which may be its own fault.
  void Suspect() { refusals_.Suspect(); }

  // Connected, logged in, scripts loaded, and the server takes writes.
  bool ready() const { return state_ == State::kReady; }
  // Also while one that the server closed because nobody used it is being replaced.
  bool healthy() const { return (ready() || renewing_) && !replicas_.is_lacking(); }
  bool refused() const { return refused_; }
  // See Store; never kPartly.
  StoreState state() const;
  const std::string& trouble() const;
  // See RedisCalls.
  const std::string& eviction() const { return eviction_.warning(); }
  const std::vector<std::string>& script_hashes() const { return handshake_.script_hashes(); }
  std::string address() const { return config_.server.Address(); }

 private:
  enum class State { kBackOff, kAskingSentinels, kConnecting, kHandshake, kReady };
  bool by_sentinel() const { return config_.server.kind == RedisUrl::Kind::kSentinel; }

  void Connect();
  void ConnectTo(const RedisAddress& server);
  void SendNow(const std::vector<std::string>& commands);
  void ContinueHandshake(const redisReply& reply);
  void BecomeReady();
  void DropConnection();
  // The answer to what finds out whether the server takes changes.
  void LearnOfChanges(const redisReply& reply);
  // The connection has ended: because nobody used it?
  bool WasIdle() const;
  void SendWait();
  // `wait`: the number of the WAIT.
  void HandleWaitReply(const redisReply& reply, uint64_t wait);
  void LetReadsPass(size_t from);

  void OnConnectionTimer(ev::timer&, int);
  void OnWatchTimer(ev::timer&, int);
  void OnReplicasTimer(ev::timer&, int);
  void OnConnected() override;
  void OnAnswer(RedisReply reply) override;
  void OnEnded(const RedisTrouble& trouble) override;

  struct ev_loop* const loop_;
  const RedisConfig config_;
  Owner* const owner_;

  State state_ = State::kBackOff;
  size_t next_sentinel_ = 0;  // the one to ask first
  std::unique_ptr<SentinelQuery> sentinel_query_;
  RedisAddress server_;  // where it connects, or is connected
  std::unique_ptr<RedisStream> stream_;
  uint64_t connections_ = 0;  // so far
  int failed_attempts_ = 0;   // since it was last ready
  bool renewing_ = false;
  int64_t used_ms_ = 0;  // a command or an answer
  RedisHandshake handshake_;
  bool refused_ = false;
  std::string trouble_ = "no connection yet";
  std::minstd_rand random_{std::random_device{}()};

  // Since the connection is ready.
  uint64_t commands_ = 0;
  uint64_t answers_ = 0;
  ReplicaWaits replicas_;
  EvictionWatch eviction_;
  RefusalWatch refusals_;
  bool busy_since_watch_ = false;

  ev::timer connection_timer_;  // end of the back-off, or of the time for connecting
  ev::timer watch_timer_;       // asks the sentinels again
  ev::timer replicas_timer_;    // asks for replicas that are lacking again
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dormouse
