#include "statekeeper/store/redis/redis_handshake.h"

#include <fmt/format.h>

#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

// Not a deletion, which a server that is out of memory takes.
constexpr std::string_view kProbeScript = "return redis.call('ZADD', KEYS[1], 'XX', 0, '')";

bool SaysWrongLogin(std::string_view error) {
  return IsErrorCode(error, "WRONGPASS") || IsErrorCode(error, "NOAUTH") ||
         error.find("without any password") != std::string_view::npos;
}

}  // namespace

std::string_view InfoField(std::string_view info, std::string_view name) {
  const size_t at = info.find(fmt::format("\n{}:", name));
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + name.size() + 2);
  return info.substr(0, info.find_first_of("\r\n"));
}

std::vector<std::string> RedisHandshake::Begin() {
  steps_.clear();
  steps_done_ = 0;
  script_hashes_.clear();
  const RedisUrl& server = config_.server;
  std::vector<std::string> commands;
  const auto say = [&](Step step, std::string command) { commands.push_back(Say(step, std::move(command))); };
  if (!password_.empty()) {
    say(Step::kPlain,
        server.user.empty() ? RedisCommand("AUTH", password_) : RedisCommand("AUTH", server.user, password_));
  }
  if (server.database != 0) say(Step::kPlain, RedisCommand("SELECT", std::to_string(server.database)));
  // Before the probe: "READONLY" says less than who it is.
  say(Step::kInfo, RedisCommand("INFO", "server"));
  if (config_.watch_eviction) say(Step::kMemory, RedisCommand("INFO", "memory"));
  if (server.kind == RedisUrl::Kind::kSentinel) say(Step::kRole, RedisCommand("ROLE"));
  if (server.kind == RedisUrl::Kind::kCluster) {
    say(Step::kSlots, RedisCommand("CLUSTER", "SLOTS"));
    // Needed later: a user without these rights is refused at start.
    say(Step::kPlain, RedisCommand("MULTI"));
    say(Step::kPlain, RedisCommand("EXEC"));
  } else {
    // A write that changes nothing: refused by a replica and while loading.
    say(Step::kProbe, RedisCommand("HDEL", config_.probe_key, ""));
  }
  say(Step::kClientId, RedisCommand("CLIENT", "ID"));
  for (const std::string_view script : config_.scripts) {
    say(Step::kScript, RedisCommand("SCRIPT", "LOAD", script));
  }
  say(Step::kProbeScript, RedisCommand("SCRIPT", "LOAD", kProbeScript));
  return commands;
}

std::string RedisHandshake::Say(Step step, std::string command) {
  steps_.push_back(step);
  return command;
}

// Nothing: it is suitable.
std::string RedisHandshake::WhyUnsuitable(Step step, const redisReply& reply) const {
  if (step == Step::kRole) {
    const bool master = reply.elements > 0 && Text(*reply.element[0]) == "master";
    return master ? "" : fmt::format("{} is not a master", server_.ToString());
  }
  const std::string_view mode = InfoField(Text(reply), "redis_mode");
  const std::string_view scheme = config_.server.tls ? "rediss" : "redis";
  const bool of_cluster = config_.server.kind == RedisUrl::Kind::kCluster;
  if (mode == "sentinel")
    return fmt::format("it is a sentinel: write {}+sentinel://HOST:PORT/SERVICE", scheme);
  if (of_cluster && mode != "cluster") {
    return fmt::format("it is not a node of a Redis Cluster: write {}://", scheme);
  }
  if (!of_cluster && mode == "cluster") {
    return fmt::format("it is a node of a Redis Cluster: write {}+cluster://HOST:PORT", scheme);
  }
  return "";
}

RedisHandshake::Progress RedisHandshake::OnAnswer(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) {
    const std::string_view error = Text(reply);
    return {.trouble = RedisTrouble{
                fmt::format("{}{}", SaysWrongLogin(error) ? "it refuses the user or password: " : "",
                            WithoutArguments(error)),
                !SaysAway(error)}};
  }
  const Step step = steps_[steps_done_++];
  switch (step) {
    case Step::kRole:
    case Step::kInfo:
      if (std::string why = WhyUnsuitable(step, reply); !why.empty())
        return {.trouble = RedisTrouble{std::move(why), step == Step::kInfo}};
      if (step == Step::kInfo) connection_.run_id = InfoField(Text(reply), "run_id");
      break;
    case Step::kMemory:
      told_.memory(reply);
      break;
    case Step::kClientId:
      connection_.client = reply.integer;
      break;
    case Step::kSlots:
      told_.slots(reply);
      break;
    case Step::kScript:
      script_hashes_.emplace_back(Text(reply));
      break;
    case Step::kProbeScript:
      probe_hash_ = Text(reply);
      break;
    case Step::kKillPrevious:
      previous_ = connection_;
      return {.done = true};
    default:
      break;
  }
  if (steps_done_ == steps_.size()) return {.commands = {KillPrevious()}};
  return {};
}

std::string RedisHandshake::ProbeOfChanges(std::string_view key) const {
  return RedisCommand("EVALSHA", probe_hash_, "1", key);
}

std::string RedisHandshake::KillPrevious() {
  // Also when there is nothing to kill: a user without this right is refused at start, not at the first
  // failure.
  const bool same_server = previous_.run_id == connection_.run_id;
  return Say(Step::kKillPrevious,
             RedisCommand("CLIENT", "KILL", "ID", std::to_string(same_server ? previous_.client : INT64_MAX),
                          "SKIPME", "yes"));
}

}  // namespace dormouse
