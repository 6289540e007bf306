#include "statekeeper/store/redis/store_redis.h"

#include <ev.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "statekeeper/store/acknowledged_commits.h"
#include "statekeeper/store/redis/cluster_store_redis.h"
#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_cluster_layout.h"
#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_layout.h"
#include "statekeeper/store/redis/redis_reply.h"
#include "statekeeper/store/stored_format.h"

namespace dormouse {
namespace {

constexpr size_t kMaxPageRows = 1'000;
constexpr size_t kMaxPageBytes = 256u << 10;
// A script keeps Redis from serving others. 400 rows take it about a millisecond.
constexpr size_t kWritesPerScript = 400;
constexpr size_t kBytesPerScript = 1u << 20;
constexpr size_t kKeysPerGet = 400;

// The order of Scripts(); then come kClusterScripts.
enum Script { kCommit, kRange, kGet, kAlarms, kScripts };

std::vector<std::string_view> Scripts() {
  std::vector<std::string_view> scripts = {kCommitScript, kRangeScript, kGetScript, kAlarmsScript};
  scripts.insert(scripts.end(), kClusterScripts.begin(), kClusterScripts.end());
  return scripts;
}

bool ParseMember(std::string_view member, Row* row) {
  const size_t zero = member.find('\0');
  if (zero == std::string_view::npos) return false;
  row->key = UnescapeRowKey(member.substr(0, zero));
  row->value = member.substr(zero + 1);
  return true;
}

size_t BytesOf(const HubCommit& hub) {
  size_t bytes = 0;
  for (const RowWrite& row : hub.rows) bytes += row.key.size() + (row.value ? row.value->size() : 0);
  return bytes;
}

class RedisStore : public Store {
 public:
  RedisStore(const StoreConfig& config, const std::vector<std::string>* script_hashes,
             std::unique_ptr<RedisCalls> redis)
      : config_(config), scripts_(*script_hashes), redis_(std::move(redis)) {}

  void Commit(ShardCommit commit, CommitCallback done) override {
    std::vector<std::span<const HubCommit>> parts;
    size_t begin = 0;
    size_t writes = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < commit.hubs.size(); ++i) {
      const HubCommit& hub = commit.hubs[i];
      const size_t hub_writes = hub.rows.size() + 1;
      const size_t hub_bytes = BytesOf(hub);
      if (i > begin && (writes + hub_writes > kWritesPerScript || bytes + hub_bytes > kBytesPerScript)) {
        parts.push_back(std::span(commit.hubs).subspan(begin, i - begin));
        begin = i;
        writes = 0;
        bytes = 0;
      }
      writes += hub_writes;
      bytes += hub_bytes;
    }
    parts.push_back(std::span(commit.hubs).subspan(begin));

    auto joined = std::make_shared<Joined<Nothing>>();
    joined->missing = parts.size();
    joined->done = [done = std::move(done)](StoreStatus status, Nothing) { done(status); };
    const std::string key = ShardKey(config_.key_prefix, commit.shard);
    const ShardEpoch shard{commit.shard, commit.epoch};
    for (const std::span<const HubCommit> hubs : parts) {
      redis_->Call(key, CommitCommand(key, commit, hubs),
                   [this, joined, shard](StoreStatus status, const redisReply* reply) {
                     if (status == StoreStatus::kOk && reply->integer == 0) status = StoreStatus::kFenced;
                     if (status == StoreStatus::kOk) {
                       acknowledged_.Note(shard, static_cast<uint64_t>(reply->integer));
                     }
                     joined->Answer(status);
                   });
    }
  }

  uint64_t Commits(const ShardEpoch& shard) const override { return acknowledged_.Of(shard); }

  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    const std::string from = first.empty() ? "-" : "[" + EscapeRowKey(first);
    const std::string to = last.empty() ? "+" : "(" + EscapeRowKey(last);
    const std::string key = KeyOf(hub);
    std::string command =
        RedisCommand("EVALSHA", scripts_[kRange], "1", key, from, to,
                     fmt::to_string(std::min(limit, kMaxPageRows)), fmt::to_string(kMaxPageBytes));
    redis_->Read(key, std::move(command),
                 [done = std::move(done)](StoreStatus status, const redisReply* reply) {
                   RowPage page;
                   if (status == StoreStatus::kOk) {
                     const auto elements = Elements(*reply);
                     page.complete = elements[0]->integer == 1;
                     page.rows.resize(elements.size() - 1);
                     for (size_t i = 0; i < page.rows.size(); ++i) {
                       if (!ParseMember(Text(*elements[i + 1]), &page.rows[i])) status = StoreStatus::kError;
                     }
                   }
                   done(status, status == StoreStatus::kOk ? std::move(page) : RowPage{});
                 });
  }

  void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) override {
    auto joined = std::make_shared<Joined<std::vector<std::optional<std::string>>>>();
    joined->missing = std::max<size_t>(1, (keys.size() + kKeysPerGet - 1) / kKeysPerGet);
    joined->result.resize(keys.size());
    joined->done = std::move(done);
    const size_t parts = joined->missing;
    const std::string key = KeyOf(hub);
    for (size_t part = 0; part < parts; ++part) {
      const size_t begin = part * kKeysPerGet;
      const size_t count = std::min(kKeysPerGet, keys.size() - begin);
      RedisCommandBuilder command(4 + count);
      AppendEvalsha(&command, kGet, 1);
      command.Append(key);
      for (size_t i = 0; i < count; ++i) command.Append(EscapeRowKey(keys[begin + i]));
      redis_->Read(key, command.Take(), [joined, begin](StoreStatus status, const redisReply* reply) {
        if (status == StoreStatus::kOk) {
          size_t at = begin;
          for (const redisReply* element : Elements(*reply)) {
            Row row;
            if (element->type == REDIS_REPLY_STRING) {
              if (!ParseMember(Text(*element), &row)) status = StoreStatus::kError;
              joined->result[at] = std::move(row.value);
            }
            ++at;
          }
        }
        joined->Answer(status);
      });
    }
  }

  void DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmsCallback done) override {
    const std::string key = AlarmsKey(config_.key_prefix, shard);
    std::string command =
        RedisCommand("EVALSHA", scripts_[kAlarms], "1", key, fmt::to_string(now_ms), fmt::to_string(limit));
    redis_->Read(key, std::move(command),
                 [now_ms, limit, done = std::move(done)](StoreStatus status, const redisReply* reply) {
                   AlarmPage page;
                   if (status == StoreStatus::kOk) {
                     const auto elements = Elements(*reply);
                     for (size_t i = 0; i + 1 < elements.size(); i += 2) {
                       const int64_t due_ms = std::llround(std::strtod(elements[i + 1]->str, nullptr));
                       if (due_ms > now_ms || page.due.size() == limit) {
                         page.next_ms = due_ms;
                         break;
                       }
                       page.due.push_back({std::string(Text(*elements[i])), due_ms});
                     }
                   }
                   done(status, std::move(page));
                 });
  }

  void ListHubs(ShardId shard, const std::string& after, size_t limit, NamesCallback done) override {
    const std::string key = HubsKey(config_.key_prefix, shard);
    std::string command = RedisCommand("ZRANGEBYLEX", key, after.empty() ? "-" : "(" + after, "+", "LIMIT",
                                       "0", fmt::to_string(std::min(limit, kMaxPageRows)));
    redis_->Read(key, std::move(command),
                 [done = std::move(done)](StoreStatus status, const redisReply* reply) {
                   std::vector<std::string> names;
                   if (status == StoreStatus::kOk) {
                     for (const redisReply* name : Elements(*reply)) names.emplace_back(Text(*name));
                   }
                   done(status, std::move(names));
                 });
  }

  bool healthy() const override { return redis_->healthy(); }
  StoreState state() const override { return redis_->state(); }
  std::string trouble() const override { return redis_->trouble(); }

 private:
  std::string KeyOf(const std::string& hub) const {
    return HubKey(config_.key_prefix, ShardOf(hub, config_.shard_count), hub);
  }

  void AppendEvalsha(RedisCommandBuilder* command, Script script, size_t keys) const {
    command->Append("EVALSHA");
    command->Append(scripts_[script]);
    command->Append(fmt::to_string(keys));
  }

  std::string CommitCommand(std::string_view shard_key, const ShardCommit& commit,
                            std::span<const HubCommit> hubs) const {
    size_t arguments = 3 + 3 + 3;
    size_t bytes = 0;
    for (const HubCommit& hub : hubs) {
      arguments += 1 + 3 + 2 * hub.rows.size();
      bytes += BytesOf(hub);
    }
    RedisCommandBuilder command(arguments, bytes);
    AppendEvalsha(&command, kCommit, 3 + hubs.size());
    command.Append(shard_key);
    command.Append(AlarmsKey(config_.key_prefix, commit.shard));
    command.Append(HubsKey(config_.key_prefix, commit.shard));
    for (const HubCommit& hub : hubs) command.Append(HubKey(config_.key_prefix, commit.shard, hub.hub));
    command.Append(config_.owner);
    command.Append(fmt::to_string(commit.epoch));
    command.Append(fmt::to_string(Commits({commit.shard, commit.epoch})));
    for (const HubCommit& hub : hubs) {
      command.Append(fmt::to_string(hub.rows.size()));
      command.Append(hub.alarm_due_ms ? fmt::to_string(*hub.alarm_due_ms) : "");
      command.Append(hub.alarm_due_ms ? hub.hub : "");
      for (const RowWrite& row : hub.rows) {
        std::string key = EscapeRowKey(row.key);
        command.Append(key);
        if (!row.value) {
          command.Append("");
          continue;
        }
        key.push_back('\0');
        command.Append(key, *row.value);
      }
    }
    return command.Take();
  }

  AcknowledgedCommits acknowledged_;

  const StoreConfig& config_;                // the factory's
  const std::vector<std::string>& scripts_;  // the same; by Script
  const std::unique_ptr<RedisCalls> redis_;
};

// Runs the loop until `*done`, which the calls to `redis` set, or until the server refuses us.
void RunUntil(struct ev_loop* loop, const RedisCalls& redis, const bool* done) {
  while (!*done && !redis.refused()) ev_run(loop, EVRUN_ONCE);
}

// Gives the other nodes of a Redis Cluster a moment to say what is wrong with them.
void AwaitOthers(struct ev_loop* loop, const RedisCalls& redis) {
  constexpr int64_t kMomentMs = 500;
  const int64_t end_ms = SteadyMs() + kMomentMs;
  ev_timer look;  // so that the loop returns
  ev_timer_init(
      &look, [](struct ev_loop*, ev_timer*, int) {}, 0.02, 0.02);
  ev_timer_start(loop, &look);
  while (!redis.healthy() && SteadyMs() < end_ms) ev_run(loop, EVRUN_ONCE);
  ev_timer_stop(loop, &look);
}

class RedisStoreFactory : public StoreFactory {
 public:
  RedisStoreFactory(const StoreConfig& config, RedisUrl server)
      : config_(config), server_(std::move(server)) {}

  bool Check(std::string* error) {
    const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                          ev_loop_destroy);
    const std::unique_ptr<RedisCalls> redis = NewRedisCalls(loop.get(), Config(true));
    bool done = false;
    StoreStatus status = StoreStatus::kUnavailable;
    std::string stored;
    std::string format;
    const std::string wanted = fmt::to_string(config_.shard_count);
    const std::string key = ClusterKey(config_.key_prefix);
    const std::pair<const char*, std::string> first[] = {
        {"shards", wanted}, {"format", fmt::to_string(kStoredFormat)}, {"cluster", NewSecretHex(8)}};
    for (const auto& [name, value] : first) {
      redis->Call(key, RedisCommand("HSETNX", key, name, value), [](StoreStatus, const redisReply*) {});
    }
    redis->Call(key, RedisCommand("HMGET", key, "shards", "format", "cluster"),
                [&](StoreStatus answer, const redisReply* reply) {
                  done = true;
                  status = answer;
                  if (answer != StoreStatus::kOk) return;
                  std::string* const into[] = {&stored, &format, &cluster_id_};
                  size_t at = 0;
                  for (const redisReply* value : Elements(*reply)) {
                    if (value->type == REDIS_REPLY_STRING) *into[at] = Text(*value);
                    ++at;
                  }
                });
    RunUntil(loop.get(), *redis, &done);
    if (status == StoreStatus::kOk) AwaitOthers(loop.get(), *redis);
    if (status == StoreStatus::kOk && !redis->eviction().empty()) {
      *error = redis->eviction() + '.';
      return false;
    }
    if (status == StoreStatus::kOk && !format.empty()) {
      *error = WhyNotReadable(
          fmt::format("Redis at {}, under the prefix \"{}\",", server_.Address(), config_.key_prefix),
          format);
      if (!error->empty()) return false;
    }
    if (status == StoreStatus::kOk && stored == wanted) {
      script_hashes_ = redis->script_hashes();
      return true;
    }
    if (redis->refused()) {
      *error = fmt::format("Redis at {} cannot be used: {}. Correct --store, or the server's configuration.",
                           server_.Address(), redis->trouble());
    } else if (status == StoreStatus::kUnavailable) {
      *error = fmt::format("Redis at {} cannot be reached: {}. Start it, or correct --store.",
                           server_.Address(), redis->trouble());
    } else if (stored.empty()) {
      *error = fmt::format("Redis at {} did not store the number of shards under \"{}\"; the log says why.",
                           server_.Address(), key);
    } else {
      *error = fmt::format(
          "Redis at {} holds a cluster of {} shards under the prefix \"{}\", but this process is set to {}. "
          "The "
          "number of shards never changes: set --shards {}, or another --store-prefix for another cluster.",
          server_.Address(), stored, config_.key_prefix, wanted, stored);
    }
    return false;
  }

  std::unique_ptr<Store> NewStore(struct ev_loop* loop) override {
    return std::make_unique<RedisStore>(config_, &script_hashes_, NewRedisCalls(loop, Config(false)));
  }
  std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop* loop) override {
    return NewRedisClusterStore(config_, NewRedisCalls(loop, Config(true)),
                                std::span(script_hashes_).subspan(kScripts));
  }
  bool shared() const override { return true; }
  std::string cluster_id() const override { return cluster_id_; }

 private:
  RedisConfig Config(bool watch_eviction) const {
    return {server_,   config_.redis,   ClusterKey(config_.key_prefix),
            Scripts(), config_.timeout, watch_eviction};
  }

  const StoreConfig config_;
  const RedisUrl server_;
  std::string cluster_id_;
  std::vector<std::string> script_hashes_;
};

// What the URL and the options about files do not have in common; empty: they agree.
std::string Contradiction(const RedisUrl& server, const RedisFiles& files) {
  if (!server.password.empty() && !files.password.empty()) {
    return "The URL in --store holds a password, and --store-password-file names a file with one: leave out "
           "that in the URL (USER@ may stay).";
  }
  if (!server.user.empty() && server.password.empty() && files.password.empty()) {
    return "The URL in --store names a user without a password: put the password in a file and name that "
           "with --store-password-file.";
  }
  if (server.kind != RedisUrl::Kind::kSentinel && !files.sentinel_password.empty()) {
    return "--store-sentinel-password-file is for sentinels: redis+sentinel:// or rediss+sentinel://.";
  }
  if (!server.sentinel_password.empty() && !files.sentinel_password.empty()) {
    return "The URL in --store holds a sentinel-password, and --store-sentinel-password-file names a file "
           "with one: leave out that in the URL.";
  }
  if (!server.tls && !(files.ca + files.certificate + files.key).empty()) {
    return "--store-ca, --store-certificate and --store-key are for Redis over TLS: write rediss in place of "
           "redis in --store.";
  }
  return "";
}

}  // namespace

std::unique_ptr<StoreFactory> OpenRedisStore(const StoreConfig& config, std::string* error) {
  std::optional<RedisUrl> server = ParseRedisUrl(config.url, error);
  if (!server) return nullptr;
  *error = Contradiction(*server, config.redis);
  if (!error->empty()) return nullptr;
  if (config.key_prefix.find_first_of("{}") != std::string::npos) {
    *error =
        "--store-prefix must not have '{' or '}' in it: they would spread the keys of a shard over a "
        "cluster.";
    return nullptr;
  }
  auto factory = std::make_unique<RedisStoreFactory>(config, *std::move(server));
  if (!factory->Check(error)) return nullptr;
  return factory;
}

}  // namespace dormouse
