#include "statekeeper/store/store_redis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <utility>

#include "common/ids.h"
#include "statekeeper/store/cluster_store_redis.h"
#include "statekeeper/store/redis_cluster_layout.h"
#include "statekeeper/store/redis_command.h"
#include "statekeeper/store/redis_layout.h"
#include "statekeeper/store/redis_pipeline.h"
#include "statekeeper/store/redis_reply.h"

namespace dormouse {
namespace {

constexpr size_t kMaxPageRows = 1'000;
constexpr size_t kMaxPageBytes = 256u << 10;
// A script keeps Redis from serving others. 400 rows take it about a millisecond.
constexpr size_t kWritesPerScript = 400;
constexpr size_t kBytesPerScript = 1u << 20;
constexpr size_t kKeysPerGet = 400;

// The order of Scripts(); then come kClusterScripts.
enum Script { kCommit, kRange, kGet, kAlarms, kTake, kScripts };

std::vector<std::string_view> Scripts() {
  std::vector<std::string_view> scripts = {kCommitScript, kRangeScript, kGetScript, kAlarmsScript,
                                           kTakeScript};
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

class RedisStore : public Store {
 public:
  RedisStore(struct ev_loop* loop, const StoreConfig& config, RedisPipeline::Config pipeline,
             const std::vector<std::string>* script_hashes)
      : config_(config), scripts_(*script_hashes), pipeline_(loop, std::move(pipeline)) {}

  void Commit(ShardCommit commit, CommitCallback done) override {
    std::vector<std::span<const HubCommit>> parts;
    size_t begin = 0;
    size_t writes = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < commit.hubs.size(); ++i) {
      const HubCommit& hub = commit.hubs[i];
      const size_t hub_writes = hub.rows.size() + 1;
      size_t hub_bytes = 0;
      for (const RowWrite& row : hub.rows) hub_bytes += row.key.size() + (row.value ? row.value->size() : 0);
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
    for (const std::span<const HubCommit> hubs : parts) {
      pipeline_.Call(CommitCommand(commit.shard, commit.epoch, hubs),
                     [joined](StoreStatus status, const redisReply* reply) {
                       if (status == StoreStatus::kOk && reply->integer != 1) status = StoreStatus::kFenced;
                       joined->Answer(status);
                     });
    }
  }

  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    const std::string from = first.empty() ? "-" : "[" + EscapeRowKey(first);
    const std::string to = last.empty() ? "+" : "(" + EscapeRowKey(last);
    std::string command =
        RedisCommand("EVALSHA", scripts_[kRange], "1", KeyOf(hub), from, to,
                     fmt::to_string(std::min(limit, kMaxPageRows)), fmt::to_string(kMaxPageBytes));
    pipeline_.Call(std::move(command), [done = std::move(done)](StoreStatus status, const redisReply* reply) {
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
    for (size_t part = 0; part < parts; ++part) {
      const size_t begin = part * kKeysPerGet;
      const size_t count = std::min(kKeysPerGet, keys.size() - begin);
      RedisCommandBuilder command(4 + count);
      AppendEvalsha(&command, kGet, 1);
      command.Append(KeyOf(hub));
      for (size_t i = 0; i < count; ++i) command.Append(EscapeRowKey(keys[begin + i]));
      pipeline_.Call(command.Take(), [joined, begin](StoreStatus status, const redisReply* reply) {
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
    std::string command =
        RedisCommand("EVALSHA", scripts_[kAlarms], "1", AlarmsKey(config_.key_prefix, shard),
                     fmt::to_string(now_ms), fmt::to_string(limit));
    pipeline_.Call(std::move(command),
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
    std::string command =
        RedisCommand("ZRANGEBYLEX", HubsKey(config_.key_prefix, shard), after.empty() ? "-" : "(" + after,
                     "+", "LIMIT", "0", fmt::to_string(std::min(limit, kMaxPageRows)));
    pipeline_.Call(std::move(command), [done = std::move(done)](StoreStatus status, const redisReply* reply) {
      std::vector<std::string> names;
      if (status == StoreStatus::kOk) {
        for (const redisReply* name : Elements(*reply)) names.emplace_back(Text(*name));
      }
      done(status, std::move(names));
    });
  }

  void TakeShards(const std::string& owner, std::vector<ShardId> shards, ShardsCallback done) override {
    if (shards.empty()) {
      pipeline_.Call(RedisCommand("PING"),
                     [done = std::move(done)](StoreStatus status, const redisReply*) { done(status, {}); });
      return;
    }
    auto joined = std::make_shared<Joined<std::vector<ShardRecord>>>();
    joined->missing = shards.size();
    joined->result.resize(shards.size());
    joined->done = std::move(done);
    const std::string call = NewUuid();
    const std::string first_epoch = fmt::to_string(FirstEpoch());
    for (size_t i = 0; i < shards.size(); ++i) {
      pipeline_.Call(RedisCommand("EVALSHA", scripts_[kTake], "1", ShardKey(config_.key_prefix, shards[i]),
                                  owner, call, first_epoch),
                     [joined, i, owner](StoreStatus status, const redisReply* reply) {
                       if (status == StoreStatus::kOk) {
                         joined->result[i] = {owner, static_cast<uint32_t>(reply->integer)};
                       }
                       joined->Answer(status);
                     });
    }
  }

  bool healthy() const override { return pipeline_.healthy(); }

 private:
  std::string KeyOf(const std::string& hub) const {
    return HubKey(config_.key_prefix, ShardOf(hub, config_.shard_count), hub);
  }

  void AppendEvalsha(RedisCommandBuilder* command, Script script, size_t keys) const {
    command->Append("EVALSHA");
    command->Append(scripts_[script]);
    command->Append(fmt::to_string(keys));
  }

  std::string CommitCommand(ShardId shard, uint32_t epoch, std::span<const HubCommit> hubs) const {
    size_t arguments = 3 + 3 + 2;
    for (const HubCommit& hub : hubs) arguments += 1 + 3 + 2 * hub.rows.size();
    RedisCommandBuilder command(arguments);
    AppendEvalsha(&command, kCommit, 3 + hubs.size());
    command.Append(ShardKey(config_.key_prefix, shard));
    command.Append(AlarmsKey(config_.key_prefix, shard));
    command.Append(HubsKey(config_.key_prefix, shard));
    for (const HubCommit& hub : hubs) command.Append(HubKey(config_.key_prefix, shard, hub.hub));
    command.Append(config_.owner);
    command.Append(fmt::to_string(epoch));
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

  const StoreConfig& config_;                // the factory's
  const std::vector<std::string>& scripts_;  // the same; by Script
  RedisPipeline pipeline_;
};

// Runs the loop until `*done`, which the calls in `pipeline` set, or until the server refuses us.
void RunUntil(struct ev_loop* loop, const RedisPipeline& pipeline, const bool* done) {
  while (!*done && !pipeline.refused()) ev_run(loop, EVRUN_ONCE);
}

class RedisStoreFactory : public StoreFactory {
 public:
  RedisStoreFactory(const StoreConfig& config, RedisUrl server)
      : config_(config), server_(std::move(server)) {}

  bool Check(std::string* error) {
    const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                          ev_loop_destroy);
    RedisPipeline pipeline(loop.get(), PipelineConfig());
    bool done = false;
    StoreStatus status = StoreStatus::kUnavailable;
    std::string stored;
    const std::string wanted = fmt::to_string(config_.shard_count);
    const std::string key = ClusterKey(config_.key_prefix);
    pipeline.Call(RedisCommand("HSETNX", key, "shards", wanted), [](StoreStatus, const redisReply*) {});
    pipeline.Call(RedisCommand("HGET", key, "shards"), [&](StoreStatus answer, const redisReply* reply) {
      done = true;
      status = answer;
      if (answer == StoreStatus::kOk && reply->type == REDIS_REPLY_STRING) stored = Text(*reply);
    });
    RunUntil(loop.get(), pipeline, &done);
    if (status == StoreStatus::kOk && stored == wanted) {
      script_hashes_ = pipeline.script_hashes();
      return true;
    }
    if (pipeline.refused()) {
      *error = fmt::format("Redis at {} cannot be used: {}. Correct --store, or the server's configuration.",
                           server_.Address(), pipeline.trouble());
    } else if (status == StoreStatus::kUnavailable) {
      *error = fmt::format("Redis at {} cannot be reached: {}. Start it, or correct --store.",
                           server_.Address(), pipeline.trouble());
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
    return std::make_unique<RedisStore>(loop, config_, PipelineConfig(), &script_hashes_);
  }
  std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop* loop) override {
    return NewRedisClusterStore(loop, config_, PipelineConfig(), std::span(script_hashes_).subspan(kScripts));
  }
  bool shared() const override { return true; }

 private:
  RedisPipeline::Config PipelineConfig() const {
    return {server_, ClusterKey(config_.key_prefix), Scripts(), config_.timeout};
  }

  const StoreConfig config_;
  const RedisUrl server_;
  std::vector<std::string> script_hashes_;
};

}  // namespace

std::unique_ptr<StoreFactory> OpenRedisStore(const StoreConfig& config, std::string* error) {
  std::optional<RedisUrl> server = ParseRedisUrl(config.url, error);
  if (!server) return nullptr;
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
