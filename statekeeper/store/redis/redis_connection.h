// A connection to one Redis server that is made again, with back-off, whenever it breaks. RedisPipeline and
// ClusterCalls keep what is to be sent. One that ends while nothing is under way and nobody has used it for a
// while (Redis' option timeout) is replaced at once, and that is no outage unless it cannot be.
//
// wait-replicas. Answers are held back until WAIT says that enough replicas have what was written before,
// save those of commands that only read. While replicas are lacking, it is not healthy, also on the
// connections that follow.
//
// Before a new connection is used the server is told to kill the broken one, for it may still hold commands
// that it has not read yet, and they must not overtake what comes later.
//
// To the master of a service it asks the sentinels for its address, each time anew, checks that the server is
// a master, and while commands are sent asks again now and then: a master that was replaced while it hangs
// does not close its connections.
//
// With wait-replicas=N answers are held back until N replicas have what was written before them.
#pragma once

#include <ev++.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_reply.h"
#include "statekeeper/store/redis/redis_stream.h"
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

  // Connected, logged in, scripts loaded, and the server takes writes.
  bool ready() const { return state_ == State::kReady; }
  // Also while one that the server closed because nobody used it is being replaced.
  bool healthy() const { return (ready() || renewing_) && !lacks_replicas_; }
  bool refused() const { return refused_; }
  const std::string& trouble() const { return trouble_; }
  // See RedisCalls.
  const std::string& eviction() const { return eviction_; }
  const std::vector<std::string>& script_hashes() const { return script_hashes_; }
  std::string address() const { return config_.server.Address(); }

 private:
  enum class State { kBackOff, kAskingSentinels, kConnecting, kHandshake, kReady };
  enum class Step { kPlain, kProbe, kRole, kInfo, kMemory, kClientId, kSlots, kScript, kKillPrevious };

  // Which connection of which server process.
  struct Identity {
    std::string run_id;
    int64_t client = 0;
  };

  bool cluster_node() const { return config_.server.kind == RedisUrl::Kind::kCluster; }
  bool by_sentinel() const { return config_.server.kind == RedisUrl::Kind::kSentinel; }

  void Connect();
  void ConnectTo(const RedisAddress& server);
  void LogIn();
  void SendStep(Step step, const std::string& command);
  void HandleHandshakeReply(const redisReply& reply);
  std::string WhyUnsuitable(Step step, const redisReply& reply) const;
  void FinishHandshake();
  void BecomeReady();
  void DropConnection();
  // The connection has ended: because nobody used it?
  bool WasIdle() const;
  void SendWait();
  // `wait`: the number of the WAIT.
  void HandleWaitReply(const redisReply& reply, uint64_t wait);
  void LetReadsPass(size_t from);

  void OnConnectionTimer(ev::timer&, int);
  void OnWatchTimer(ev::timer&, int);
  void OnEvictionTimer(ev::timer&, int);
  void OnReplicasTimer(ev::timer&, int);
  void LearnPolicy(const redisReply& memory);
  void OnConnected() override;
  void OnAnswer(RedisReply reply) override;
  void OnEnded(const RedisTrouble& trouble) override;

  struct ev_loop* const loop_;
  const RedisConfig config_;
  Owner* const owner_;

  State state_ = State::kBackOff;
  size_t next_sentinel_ = 0;  // the one to ask first
  std::unique_ptr<SentinelQuery> sentinel_query_;
  RedisAddress server_;   // where it connects, or is connected
  std::string password_;  // of the connection that is being made, or is there
  std::unique_ptr<RedisStream> stream_;
  uint64_t connections_ = 0;  // so far
  int failed_attempts_ = 0;   // since it was last ready
  bool renewing_ = false;
  int64_t used_ms_ = 0;      // a command or an answer
  std::vector<Step> steps_;  // of the handshake
  size_t steps_done_ = 0;
  std::vector<std::string> script_hashes_;
  Identity connection_;  // set by the handshake
  Identity previous_;    // the last connection that carried commands
  bool refused_ = false;
  std::string trouble_ = "no connection yet";
  std::minstd_rand random_{std::random_device{}()};

  // wait-replicas. Commands and answers of a connection are counted from its readiness on.
  uint64_t commands_ = 0;
  uint64_t answers_ = 0;
  std::deque<uint64_t> waits_;  // which commands without an answer are WAITs
  // Answers that wait for replicas; null: it was taken early. And answers are held only behind commands that
  // changed something.
  std::deque<RedisReply> held_;
  uint64_t last_change_ = 0;            // the number of the last command that may have, + 1
  uint64_t confirmed_ = 0;              // replicas have what all commands before this number have changed
  std::deque<uint64_t> memory_checks_;  // which commands without an answer ask for the policy
  std::string eviction_;
  bool sent_since_wait_ = false;
  bool lacks_replicas_ = false;
  bool busy_since_watch_ = false;

  ev::timer connection_timer_;  // end of the back-off, or of the time for connecting
  ev::timer watch_timer_;       // asks the sentinels again
  ev::timer eviction_timer_;    // asks for the policy again
  ev::timer replicas_timer_;    // asks for replicas that are lacking again
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dormouse
