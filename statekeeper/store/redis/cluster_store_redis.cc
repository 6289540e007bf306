#include "statekeeper/store/redis/cluster_store_redis.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/logging.h"
#include "statekeeper/store/redis/redis_cluster_layout.h"
#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_layout.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

// The order of kClusterScripts.
enum Script { kSync, kLeave, kClaim, kPublish, kRelease, kChange };

// Entries that a script tells or puts: so many take Redis well below a millisecond.
constexpr size_t kEntriesPerSync = 1'000;
constexpr size_t kEntriesPerPublish = 200;

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

class RedisClusterStore : public ClusterStore {
 public:
  RedisClusterStore(const StoreConfig& config, std::unique_ptr<RedisCalls> redis,
                    std::span<const std::string> script_hashes)
      : config_(config), scripts_(script_hashes.begin(), script_hashes.end()), redis_(std::move(redis)) {}

  void Sync(SyncRequest request, SyncCallback done) override {
    auto call = std::make_shared<SyncCall>();
    call->version = fmt::to_string(request.known_version);
    call->request = std::move(request);
    call->done = std::move(done);
    SendSync(std::move(call));
  }

  void Leave(DoneCallback done) override {
    redis_->Call(ClusterKey(config_.key_prefix),
                 RedisCommand("EVALSHA", scripts_[kLeave], "2", MembersKey(config_.key_prefix),
                              LapsesKey(config_.key_prefix), config_.owner),
                 [done = std::move(done)](StoreStatus status, const redisReply*) { done(status); });
  }

  void Claim(std::vector<ShardClaim> claims, RecordsCallback done) override {
    if (claims.empty()) {
      redis_->Call(ClusterKey(config_.key_prefix), RedisCommand("EXISTS", ClusterKey(config_.key_prefix)),
                   [done = std::move(done)](StoreStatus status, const redisReply*) { done(status, {}); });
      return;
    }
    auto joined = std::make_shared<Joined<std::vector<ShardRecord>>>();
    joined->missing = claims.size();
    joined->result.resize(claims.size());
    joined->done = std::move(done);
    const std::string first_epoch = fmt::to_string(FirstEpoch());
    for (size_t i = 0; i < claims.size(); ++i) {
      const std::string key = ShardKey(config_.key_prefix, claims[i].shard);
      redis_->Call(key,
                   RedisCommand("EVALSHA", scripts_[kClaim], "1", key, config_.owner,
                                fmt::to_string(claims[i].epoch), first_epoch, claims[i].given ? "1" : "0",
                                fmt::to_string(kCrashMemory.count()), fmt::to_string(claims[i].highest)),
                   [joined, i](StoreStatus status, const redisReply* reply) {
                     if (status == StoreStatus::kOk) {
                       const auto record = Elements(*reply);
                       joined->result[i] = {std::string(Text(*record[0])),
                                            static_cast<uint32_t>(record[1]->integer),
                                            static_cast<uint32_t>(record[2]->integer),
                                            static_cast<uint64_t>(record[3]->integer)};
                     }
                     joined->Answer(status);
                   });
    }
  }

  void Publish(std::vector<ShardEntry> entries, DoneCallback done) override {
    const size_t parts = std::max<size_t>(1, (entries.size() + kEntriesPerPublish - 1) / kEntriesPerPublish);
    auto joined = std::make_shared<Joined<Nothing>>();
    joined->missing = parts;
    joined->done = [done = std::move(done)](StoreStatus status, Nothing) { done(status); };
    for (size_t part = 0; part < parts; ++part) {
      const size_t begin = part * kEntriesPerPublish;
      const size_t count = std::min(kEntriesPerPublish, entries.size() - begin);
      RedisCommandBuilder command(7 + 2 * count);
      command.Append("EVALSHA");
      command.Append(scripts_[kPublish]);
      command.Append("4");
      command.Append(VersionKey(config_.key_prefix));
      command.Append(TableKey(config_.key_prefix));
      command.Append(ChangesKey(config_.key_prefix));
      command.Append(VersionsKey(config_.key_prefix));
      for (const ShardEntry& entry : std::span(entries).subspan(begin, count)) {
        command.Append(fmt::to_string(entry.shard));
        command.Append(FormatShardEntry(entry));
      }
      redis_->Call(VersionKey(config_.key_prefix), command.Take(),
                   [joined](StoreStatus status, const redisReply*) { joined->Answer(status); });
    }
  }

  void Release(std::vector<ShardEpoch> shards, DoneCallback done) override {
    auto joined = std::make_shared<Joined<Nothing>>();
    joined->missing = std::max<size_t>(1, shards.size());
    joined->done = [done = std::move(done)](StoreStatus status, Nothing) { done(status); };
    if (shards.empty()) shards.push_back({});  // one that nobody owns in epoch 0
    for (const ShardEpoch& each : shards) {
      const std::string key = ShardKey(config_.key_prefix, each.shard);
      redis_->Call(
          key,
          RedisCommand("EVALSHA", scripts_[kRelease], "1", key, config_.owner, fmt::to_string(each.epoch)),
          [joined](StoreStatus status, const redisReply*) { joined->Answer(status); });
    }
  }

  void GetValue(const std::string& key, ValueCallback done) override {
    const std::string at = ValueKey(config_.key_prefix, key);
    redis_->Call(at, RedisCommand("GET", at), Value(std::move(done)));
  }

  void PutValue(const std::string& key, std::optional<std::string> value, DoneCallback done) override {
    const std::string at = ValueKey(config_.key_prefix, key);
    redis_->Call(at, value ? RedisCommand("SET", at, *value) : RedisCommand("UNLINK", at),
                 [done = std::move(done)](StoreStatus status, const redisReply*) { done(status); });
  }

  void ChangeValue(ValueChange change, ValueCallback done) override {
    const std::string at = ValueKey(config_.key_prefix, change.key);
    redis_->Call(at,
                 RedisCommand("EVALSHA", scripts_[kChange], "1", at, change.from ? "1" : "0",
                              change.from.value_or(""), change.to ? "1" : "0", change.to.value_or("")),
                 Value(std::move(done)));
  }

  bool healthy() const override { return redis_->healthy(); }
  StoreState state() const override { return redis_->state(); }
  std::string trouble() const override { return redis_->trouble(); }

 private:
  static RedisCalls::ReplyHandler Value(ValueCallback done) {
    return [done = std::move(done)](StoreStatus status, const redisReply* reply) {
      const bool is_there = status == StoreStatus::kOk && reply->type == REDIS_REPLY_STRING;
      done(status, is_there ? std::optional<std::string>(Text(*reply)) : std::nullopt);
    };
  }

  // A Sync, which takes several round trips when there is much to tell.
  struct SyncCall {
    SyncRequest request;
    std::string version;  // known to the caller; after the first answer: the one in that
    std::string after;    // not empty: where to go on
    SyncAnswer answer;
    SyncCallback done;
  };

  void SendSync(std::shared_ptr<SyncCall> call) {
    const std::string& prefix = config_.key_prefix;
    std::string command = RedisCommand("EVALSHA", scripts_[kSync], "7", MembersKey(prefix), LapsesKey(prefix),
                                       VersionKey(prefix), TableKey(prefix), ChangesKey(prefix),
                                       VersionsKey(prefix), BeatKey(prefix), config_.owner,
                                       call->request.record, fmt::to_string(call->request.ttl.count()),
                                       call->version, call->after, fmt::to_string(kEntriesPerSync));
    redis_->Call(ClusterKey(prefix), std::move(command),
                 [this, call = std::move(call)](StoreStatus status, const redisReply* reply) {
                   if (status == StoreStatus::kOk && !AddPage(*reply, call.get())) {
                     SPDLOG_ERROR("What Redis holds under {{{}:cluster}} cannot be read", config_.key_prefix);
                     status = StoreStatus::kError;
                   }
                   if (status == StoreStatus::kOk && !call->after.empty()) return SendSync(call);
                   call->answer.unsafe = redis_->eviction();
                   call->done(status, status == StoreStatus::kOk ? std::move(call->answer) : SyncAnswer{});
                 });
  }

  bool AddPage(const redisReply& reply, SyncCall* call) {
    const auto parts = Elements(reply);
    SyncAnswer& answer = call->answer;
    const bool first = call->after.empty();
    const bool whole = parts[2]->integer == 1;
    // Of what was told before that, nothing is there any more.
    if (whole) answer.changed.clear();
    if (first) answer.renewed = parts[0]->integer == 1;
    answer.wall_ms = parts[7]->integer;
    answer.whole = answer.whole || whole;
    const std::string made(Text(*parts[8]));
    const int64_t beats = parts[9]->integer;
    answer.lost_time |= !made_.empty() && (made != made_ || beats <= beats_);
    made_ = made;
    beats_ = beats;
    call->version = Text(*parts[1]);
    call->after = Text(*parts[3]);
    if (!ParseNumber(call->version, &answer.version)) return false;

    answer.members.clear();
    const auto members = Elements(*parts[4]);
    for (size_t i = 0; i + 1 < members.size(); i += 2) {
      answer.members.push_back({std::string(Text(*members[i])), std::string(Text(*members[i + 1]))});
    }
    std::sort(answer.members.begin(), answer.members.end(),
              [](const MemberEntry& a, const MemberEntry& b) { return a.id < b.id; });

    const auto shards = Elements(*parts[5]);
    const auto entries = Elements(*parts[6]);
    for (size_t i = 0; i < shards.size(); ++i) {
      ShardEntry& entry = answer.changed.emplace_back();
      if (!ParseNumber(Text(*shards[i]), &entry.shard) || entries[i]->type != REDIS_REPLY_STRING ||
          !ParseShardEntry(Text(*entries[i]), &entry)) {
        return false;
      }
    }
    return true;
  }

  const StoreConfig config_;
  const std::vector<std::string> scripts_;
  std::string made_;  // the store, as it says; empty: it has not been asked
  int64_t beats_ = 0;
  const std::unique_ptr<RedisCalls> redis_;
};

}  // namespace

std::unique_ptr<ClusterStore> NewRedisClusterStore(const StoreConfig& config,
                                                   std::unique_ptr<RedisCalls> redis,
                                                   std::span<const std::string> script_hashes) {
  return std::make_unique<RedisClusterStore>(config, std::move(redis), script_hashes);
}

}  // namespace dormouse
