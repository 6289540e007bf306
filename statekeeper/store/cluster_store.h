// What statekeepers know of each other through the store: who lives, and who owns which shard.
//
// Members. Each statekeeper renews its own entry (Sync), which lapses `ttl` after the last renewal by the
// store's clock: no process's wall clock matters. An entry carries bytes that the members exchange. While the
// store is away nobody can renew: when it is back, and all entries have lapsed, those who have not left get
// another `ttl`, so that whoever comes back first does not find itself alone.
//
// Shards. The record of a shard (owner, epoch) is what commits are checked against (store.h); Claim changes
// it, and nothing else does. The shard table is a copy of all records in one place, so that one Sync tells
// what changed: members that claimed a shard publish that. It may lag behind the records, and never goes
// back: an entry of a lower epoch is ignored.
//
// Values. What all members are to know, and what outlives them: a few, of up to some hundred KiB each.
//
// Threading, order and failure: as a Store. On one thread and loop: that of the ownership, and
// of whatever else keeps values. Only one of a process syncs and leaves.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/shard.h"
#include "statekeeper/store/store.h"

namespace dormouse {

struct ShardEntry {
  ShardId shard = 0;
  uint32_t epoch = 0;  // 0: nobody has owned it yet
  std::string owner;   // StoreConfig::owner of a member
  std::string avoid;   // not empty: while this member lives it is not to own the shard (it was evicted)
  friend bool operator==(const ShardEntry&, const ShardEntry&) = default;
};

struct MemberEntry {
  std::string id;      // StoreConfig::owner
  std::string record;  // what it says of itself
};

struct SyncRequest {
  std::string record;
  Duration ttl{};
  uint64_t known_version = 0;  // of the shard table; 0: nothing is known
};

struct SyncAnswer {
  bool renewed = false;  // the entry was there and had not lapsed (false: a new member, or it was late)
  std::vector<MemberEntry> members;  // whose entries have not lapsed, the caller's among them; by id
  int64_t wall_ms = 0;               // the store's time of day; 0: it has no clock of its own
  uint64_t version = 0;              // of the shard table
  // What changed in the table since known_version, in that order; a shard that changes meanwhile may come
  // twice.
  std::vector<ShardEntry> changed;
  // `changed` is the whole table, and what is not in it is not there; epochs may have gone back. So it is
  // where known_version was 0, or the store no longer knows it: because it was emptied, or has lost its last
  // writes, or the caller did not ask for long.
  bool whole = false;
  // The store is not what it was at the caller's last Sync: it has lost writes that it had acknowledged. Said
  // once to each caller that is there to see it.
  bool lost_time = false;
  // Not empty: the store may drop what it keeps at any moment; a sentence that says why, and what to do.
  std::string unsafe;
};

// A shard as the claimer believes it to be.
struct ShardClaim {
  ShardId shard = 0;
  uint32_t epoch = 0;    // 0: never owned
  bool given = false;    // by its owner
  uint32_t highest = 0;  // the highest epoch that anybody is known to have spoken of
};

// A value is to become another one, where it is what the caller believes. nullopt: there is none.
struct ValueChange {
  std::string key;
  std::optional<std::string> from;
  std::optional<std::string> to;
};

// Crashes are counted together that follow each other within this time.
inline constexpr Duration kCrashMemory{600'000};

class ClusterStore {
 public:
  using SyncCallback = std::function<void(StoreStatus, SyncAnswer)>;
  using RecordsCallback = std::function<void(StoreStatus, std::vector<ShardRecord>)>;
  using DoneCallback = std::function<void(StoreStatus)>;
  using ValueCallback = std::function<void(StoreStatus, std::optional<std::string>)>;

  virtual ~ClusterStore() = default;

  // Renews the caller's entry, and tells what there is to know. One round trip, of a cost that grows with the
  // members only; more of them where thousands of shards have changed: then calls made after this one may be
  // carried out and answered before it.
  virtual void Sync(SyncRequest request, SyncCallback done) = 0;

  // Removes the caller's entry: the others need not wait until it lapses.
  virtual void Leave(DoneCallback done) = 0;

  // Compare-and-set: where a record's epoch is the claim's, the caller becomes the owner and the epoch goes
  // up: to one above itself (of a shard never owned, to FirstEpoch()) and above the claim's `highest`, for a
  // record may be of a time that is over. Answers all records as they are then, in the order
  // of the claims: those that name the caller are the caller's. After kOk nothing of an earlier owner can be
  // written to these. A claim that is carried out twice, its first answer lost, answers the same.
  //
  // A claim that takes a shard from another member which has neither given nor released it counts as one
  // crash of an owner: ShardRecord::crashes says how many there have been, each within kCrashMemory (by the
  // store's clock) of the one before; 0 when the last is longer ago.
  virtual void Claim(std::vector<ShardClaim> claims, RecordsCallback done) = 0;

  // Puts entries into the shard table; those whose epoch is lower than what is there are passed over. An
  // equal epoch replaces (`avoid` may change).
  virtual void Publish(std::vector<ShardEntry> entries, DoneCallback done) = 0;

  // Shards that the caller serves no more, though it owns them still: who claims them next counts no crash.
  // Passed over where the caller is not the owner any more.
  virtual void Release(std::vector<ShardEpoch> shards, DoneCallback done) = 0;

  // What is there under that key.
  virtual void GetValue(const std::string& key, ValueCallback done) = 0;
  // Puts it there (nullopt: removes what is there), whatever was.
  virtual void PutValue(const std::string& key, std::optional<std::string> value, DoneCallback done) = 0;
  // Compare-and-set. Answers what is there afterwards: `to`, or what somebody else has put there. A change that
  // is carried out twice, its first answer lost, answers the same.
  virtual void ChangeValue(ValueChange change, ValueCallback done) = 0;

  virtual bool healthy() const = 0;
  // See Store.
  virtual StoreState state() const { return healthy() ? StoreState::kWell : StoreState::kAway; }
  virtual std::string trouble() const { return "it does not answer"; }
};

}  // namespace dormouse
