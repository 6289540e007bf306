// What is said on a new connection to a Redis server before it is used: logging in, whether it is the kind of server
// that the URL names and takes writes, loading the scripts.
//
// At last the server is told to kill the connection that was used before, for it may still hold commands that it has
// not read yet, and they must not overtake what comes later.
//
// Pure logic: commands go out by who owns it, one answer after the other comes in.
#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_tls.h"
#include "statekeeper/store/redis/redis_url.h"

namespace dormouse {

class RedisHandshake {
 public:
  // What its answers tell besides: the answer to INFO memory, to CLUSTER SLOTS. `config` outlives it.
  struct Told {
    std::function<void(const redisReply&)> memory;
    std::function<void(const redisReply&)> slots;
  };
  RedisHandshake(const RedisConfig& config, Told told) : config_(config), told_(std::move(told)) {}

  // A connection to that server is made, with that password (empty: none).
  void Prepare(RedisAddress server, std::string password) {
    server_ = std::move(server);
    password_ = std::move(password);
  }
  // It is there. What to send.
  std::vector<std::string> Begin();
  struct Progress {
    std::vector<std::string> commands = {};  // to be sent now
    bool done = false;                       // the connection may be used
    std::optional<RedisTrouble> trouble = std::nullopt;
  };
  // The answer to the oldest command that has none. Not after it is done, or in trouble.
  Progress OnAnswer(const redisReply& reply);

  // The hashes by which EVALSHA knows the scripts.
  const std::vector<std::string>& script_hashes() const { return script_hashes_; }
  // A command that changes nothing and is refused where changes are: by EVALSHA, as they are made. `key` is of
  // nothing.
  std::string ProbeOfChanges(std::string_view key) const;

 private:
  enum class Step {
    kPlain,
    kProbe,
    kRole,
    kInfo,
    kMemory,
    kClientId,
    kSlots,
    kScript,
    kProbeScript,
    kKillPrevious
  };
  // Which connection of which server process.
  struct Identity {
    std::string run_id;
    int64_t client = 0;
  };

  std::string Say(Step step, std::string command);
  std::string WhyUnsuitable(Step step, const redisReply& reply) const;
  std::string KillPrevious();

  const RedisConfig& config_;
  const Told told_;
  RedisAddress server_;
  std::string password_;
  std::vector<Step> steps_;
  size_t steps_done_ = 0;
  std::vector<std::string> script_hashes_;
  std::string probe_hash_;
  Identity connection_;
  Identity previous_;  // the last connection that carried commands
};

// The value of a line "name:value" of INFO's answer.
std::string_view InfoField(std::string_view info, std::string_view name);

}  // namespace dormouse
