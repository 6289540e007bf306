// How hubs, alarms and ownership lie in Redis, and the scripts that read and write them.
//
//   PREFIX:cluster                     hash    what the cluster shares: shards, format, cluster (its id)
//   {PREFIX:SHARD}:shard               hash    owner, epoch: the shard's record, the fence of every commit;
//   commits (so far); crashes, crashed (time of the last one in ms), released (1 when its owner has ended
//   well)
//   {PREFIX:SHARD}:alarms              zset    hub by due time in ms
//   {PREFIX:SHARD}:hubs                zset    the names of the shard's hubs that have rows, all with score 0
//   {PREFIX:SHARD}:h:CLASS/NAME        zset    the hub's rows
//   {PREFIX:cluster}:...                       members and the shard table: redis_cluster_layout.h
//
// All keys of a shard have one hash tag, so that every script touches one slot.
//
// A hub is one sorted set whose members all have score 0, so Redis keeps them in bytewise order: a member is
// key, zero byte, value. Ranges of rows are ranges of members, a row is found by its key as the one member
// between "key\0" and "key\1". So that this holds for keys with zero bytes too, those are written as \1\1 and
// \1 as \1\2, which keeps the order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/shard.h"

namespace dormouse {

std::string ClusterKey(std::string_view prefix);
std::string ShardKey(std::string_view prefix, ShardId shard);
std::string AlarmsKey(std::string_view prefix, ShardId shard);
std::string HubsKey(std::string_view prefix, ShardId shard);
std::string HubKey(std::string_view prefix, ShardId shard, std::string_view hub);

std::string EscapeRowKey(std::string_view key);
std::string UnescapeRowKey(std::string_view escaped);

// KEYS  the shard's record, its alarms, its list of hubs, then the hubs.
// ARGV  owner, epoch, the commits that the shard must know of, then hub by hub: the number of its rows; when
// its alarm is due, '0' to delete it, '' to
//       leave it; the hub's name where there is an alarm; and row by row the escaped key, then the member to
//       put, or '' to delete.
// Answers how many commits the shard has known, or 0 when owner and epoch are not the shard's, or commits are
// missing: then nothing is changed.
//
// The list of hubs changes with a hub's first row and its last, which the number of rows gained tells: a
// commit that replaces rows, as most do, does not look at the list. The name is what follows
// "{PREFIX:SHARD}:h:".
inline constexpr std::string_view kCommitScript = R"(
local shard = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'commits')
if shard[1] ~= ARGV[1] or shard[2] ~= ARGV[2] then return 0 end
if tonumber(shard[3] or 0) < tonumber(ARGV[3]) then return 0 end
-- Changes nothing. But a Redis that is out of memory refuses it; after a deletion it would refuse no more.
redis.call('ZADD', KEYS[2], 'XX', 0, '')
local at = 4
for i = 4, #KEYS do
  local hub, due, next_hub, gained = KEYS[i], ARGV[at + 1], at + 3 + 2 * ARGV[at], 0
  if due == '0' then
    redis.call('ZREM', KEYS[2], ARGV[at + 2])
  elseif due ~= '' then
    redis.call('ZADD', KEYS[2], due, ARGV[at + 2])
  end
  for row = at + 3, next_hub - 1, 2 do
    gained = gained - redis.call('ZREMRANGEBYLEX', hub, '[' .. ARGV[row] .. '\0', '(' .. ARGV[row] .. '\1')
    if ARGV[row + 1] ~= '' then gained = gained + redis.call('ZADD', hub, 0, ARGV[row + 1]) end
  end
  if gained > 0 and redis.call('ZCARD', hub) == gained then
    redis.call('ZADD', KEYS[3], 0, string.sub(hub, #KEYS[1] - 2))
  elseif gained < 0 and redis.call('EXISTS', hub) == 0 then
    redis.call('ZREM', KEYS[3], string.sub(hub, #KEYS[1] - 2))
  end
  at = next_hub
end
return redis.call('HINCRBY', KEYS[1], 'commits', 1)
)";

// KEYS  the hub.   ARGV  lower and upper bound as for ZRANGEBYLEX, most rows, most bytes (about).
// Answers 1 or 0 (is that all?) and the members. Reads in steps, so that large values are not read in vain.
inline constexpr std::string_view kRangeScript = R"(
local from, limit, bytes = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, rows, size, step = {0}, 0, 0, math.min(limit + 1, 16)
while true do
  local page = redis.call('ZRANGEBYLEX', KEYS[1], from, ARGV[2], 'LIMIT', 0, step)
  for _, member in ipairs(page) do
    if rows == limit or size >= bytes then return answer end
    rows = rows + 1
    size = size + #member
    answer[rows + 1] = member
  end
  if #page < step then
    answer[1] = 1
    return answer
  end
  from = '(' .. page[step]
  step = math.min(limit - rows, math.max(0, math.floor((bytes - size) * rows / size))) + 1
end
)";

// KEYS  the hub.   ARGV  escaped keys.   Answers their members, nil for what is not there.
inline constexpr std::string_view kGetScript = R"(
local answer = {}
for i, key in ipairs(ARGV) do
  local members = redis.call('ZRANGEBYLEX', KEYS[1], '[' .. key .. '\0', '(' .. key .. '\1', 'LIMIT', 0, 1)
  answer[i] = members[1] or false
end
return answer
)";

// KEYS  the shard's alarms.   ARGV  now, most alarms.
// Answers hub, due, hub, due, ...: those that are due and one more, due or not, when there is one.
inline constexpr std::string_view kAlarmsScript = R"(
local limit = tonumber(ARGV[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, limit + 1)
if #due <= 2 * limit then
  local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  due[#due + 1] = later[1]
  due[#due + 1] = later[2]
end
return due
)";

}  // namespace dormouse
