// How members and the shard table lie in Redis, and the scripts of the ClusterStore.
//
//   {PREFIX:cluster}:members    hash    member -> what it says of itself
//   {PREFIX:cluster}:lapses     zset    member by the time at which it lapses, in ms
//   {PREFIX:cluster}:table      hash    shard -> its entry: EPOCH " " SIZE " " OWNER AVOID, SIZE being
//   OWNER's {PREFIX:cluster}:changes    zset    shard by the version in which its entry changed last
//   {PREFIX:cluster}:version    string  of the table
//   {PREFIX:cluster}:beat       hash    made: when, in microseconds; beats: Syncs since. Whoever is told less
//   than before, or of another making, knows that the store has lost time
//   {PREFIX:cluster}:versions   zset    earlier versions, of the last minute, by the time they ended at, in
//   ms
//   {PREFIX:cluster}:value:KEY  string  a value
//
// PREFIX:cluster (redis_layout.h), which has no tag, lies in the same slot as these.
//
// All times are Redis' own. A version is the time of its making in microseconds, or one more than the version
// before it: so a store that was emptied, put back from a backup or taken over by a replica that lacks the
// last writes never counts again what it has counted before, and a version that is neither the present one
// nor among the earlier ones is of a history that is not this store's.
//
// A Redis that is out of memory refuses commands that may need more, save in a script that has begun to
// delete. What is written here takes the place of something of the same size: so these scripts delete nothing
// first, lest members lapse, or shards cannot change hands, because hubs have filled the memory.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/shard.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

std::string MembersKey(std::string_view prefix);
std::string LapsesKey(std::string_view prefix);
std::string TableKey(std::string_view prefix);
std::string ChangesKey(std::string_view prefix);
std::string VersionKey(std::string_view prefix);
std::string VersionsKey(std::string_view prefix);
std::string BeatKey(std::string_view prefix);
std::string ValueKey(std::string_view prefix, std::string_view key);

// The value of an entry in the table. Parsing sets all but the shard.
std::string FormatShardEntry(const ShardEntry& entry);
bool ParseShardEntry(std::string_view value, ShardEntry* entry);

// KEYS  members, lapses, version, table, changes, versions, beat.
// ARGV  the caller, its record, its ttl in ms, the version known to it, the version after which to go on (''
//       at first), most entries.
// Answers: was the caller alive; the version; 1 when all entries are told, 0 when those since the known
// version; the version after which to go on, '' when that is all; members and records; shards; their entries;
// the time; when the beat was made; beats.
//
// When nobody renewed its entry in time it was Redis that was away, or all of them; so nobody lapses, but has
// another ttl.
inline constexpr std::string_view kSyncScript = R"(
local members, lapses, changes = KEYS[1], KEYS[2], KEYS[5]
local ttl, known, after, most = tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
redis.call('ZREM', lapses, '')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lapse = redis.call('ZSCORE', lapses, ARGV[1])
local last = redis.call('ZRANGE', lapses, -1, -1, 'WITHSCORES')
if last[2] and tonumber(last[2]) <= now then
  for _, member in ipairs(redis.call('ZRANGE', lapses, 0, -1)) do
    redis.call('ZADD', lapses, now + ttl, member)
  end
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', lapses, '-inf', now)) do
  redis.call('ZREM', lapses, member)
  redis.call('HDEL', members, member)
end
redis.call('ZADD', lapses, now + ttl, ARGV[1])
redis.call('HSET', members, ARGV[1], ARGV[2])
redis.call('HSETNX', KEYS[7], 'made', string.format('%.0f', time[1] * 1000000 + time[2]))
local beats = redis.call('HINCRBY', KEYS[7], 'beats', 1)

local version, whole = redis.call('GET', KEYS[3]) or '0', 0
if known == '0' or known ~= version and not redis.call('ZSCORE', KEYS[6], known) then
  whole, after = 1, '0'
elseif after == '' then
  after = known
end
local shards = redis.call('ZRANGEBYSCORE', changes, '(' .. after, '+inf', 'LIMIT', 0, most)
return {
  lapse and tonumber(lapse) > now and 1 or 0, version, whole,
  #shards == most and redis.call('ZSCORE', changes, shards[most]) or '',
  redis.call('HGETALL', members), shards, #shards > 0 and redis.call('HMGET', KEYS[4], unpack(shards)) or {},
  now, redis.call('HGET', KEYS[7], 'made'), beats
}
)";

// KEYS  members, lapses.   ARGV  the caller.
inline constexpr std::string_view kLeaveScript = R"(
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
)";

// KEYS  the shard's record.   ARGV  the caller, the epoch it believes in, the epoch of a shard never owned,
//       1 when its owner gave it, for how long crashes are remembered (ms), the highest epoch that anybody
//       has spoken of.
// Answers owner, epoch, crashes and commits. Carried out twice it finds its own epoch, which is not the one
// that it believes in.
inline constexpr std::string_view kClaimScript = R"(
redis.call('HDEL', KEYS[1], '')
local shard = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'crashes', 'crashed', 'released', 'commits')
local epoch, crashes, commits = tonumber(shard[2] or 0), tonumber(shard[3] or 0), tonumber(shard[6] or 0)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(shard[4] or 0) > tonumber(ARGV[5]) then crashes = 0 end
if epoch ~= tonumber(ARGV[2]) then return {shard[1] or '', epoch, crashes, commits} end
if epoch > 0 and shard[1] ~= ARGV[1] and ARGV[4] ~= '1' and not shard[5] then
  crashes = crashes + 1
  redis.call('HSET', KEYS[1], 'crashes', crashes, 'crashed', string.format('%.0f', now))
end
epoch = math.max(epoch > 0 and epoch + 1 or tonumber(ARGV[3]), tonumber(ARGV[6]) + 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', epoch)
redis.call('HDEL', KEYS[1], 'released')
return {ARGV[1], epoch, crashes, commits}
)";

// KEYS  the shard's record.   ARGV  the caller, the epoch in which it owns the shard.
inline constexpr std::string_view kReleaseScript = R"(
local shard = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if shard[1] == ARGV[1] and shard[2] == ARGV[2] then redis.call('HSET', KEYS[1], 'released', 1) end
return 1
)";

// KEYS  version, table, changes, versions.   ARGV  shard and entry by turns.
// An entry that is there already makes no new version.
inline constexpr std::string_view kPublishScript = R"(
local function EpochOf(entry) return tonumber(string.match(entry, '^%d+')) or 0 end
redis.call('HDEL', KEYS[2], '')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = redis.call('GET', KEYS[1])
local version = tonumber(before or 0)
local next_version = math.max(version + 1, now)
for i = 1, #ARGV, 2 do
  local shard, entry = ARGV[i], ARGV[i + 1]
  local there = redis.call('HGET', KEYS[2], shard)
  if not there or there ~= entry and EpochOf(entry) >= EpochOf(there) then
    version, next_version = next_version, next_version + 1
    redis.call('HSET', KEYS[2], shard, entry)
    redis.call('ZADD', KEYS[3], version, shard)
  end
end
if version ~= tonumber(before or 0) then
  if before then redis.call('ZADD', KEYS[4], math.floor(now / 1000), before) end
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', math.floor(now / 1000) - 60000)
  redis.call('SET', KEYS[1], string.format('%.0f', version))
end
return 1
)";

// KEYS  the value.   ARGV  '1' and what it is believed to be, or '0' and '': there is none; the same of what it
//       is to become.
// Answers what is there afterwards. Carried out twice it finds what it has put there.
inline constexpr std::string_view kChangeScript = R"(
local there = redis.call('GET', KEYS[1])
if (ARGV[1] == '1' and there == ARGV[2]) or (ARGV[1] == '0' and not there) then
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[1], ARGV[4])
  else
    redis.call('DEL', KEYS[1])
  end
  there = redis.call('GET', KEYS[1])
end
return there
)";

// In the order of `Script` in cluster_store_redis.cc.
inline constexpr std::array<std::string_view, 6> kClusterScripts = {
    kSyncScript, kLeaveScript, kClaimScript, kPublishScript, kReleaseScript, kChangeScript};

}  // namespace dormouse
