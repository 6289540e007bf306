// What survives a statekeeper: one interface, two implementations (store_redis.h, store_sqlite.h) that pass
// the same contract tests (store_contract_test.cc).
//
// Model. Each hub owns an ordered set of rows: key -> value, both any bytes, keys sorted bytewise, no key
// empty. Beside the rows a hub may have one alarm, indexed per shard by due time. A shard has a record
// (owner, epoch); whoever writes to a shard's hubs proves that it still owns the shard, atomically with the
// write: a deposed, paused or partitioned owner is answered kFenced and changes nothing.
//
// Bounds. No call makes the store busy for more than about a millisecond: reads come in chunks, commits
// larger than that are the caller's doing (one event's writes are never split).
//
// Threading. A Store belongs to one lane: call it from the lane's thread only, on whose event loop all
// callbacks run, never from inside the call that takes them. Calls are carried out in the order they were
// made, so a read sees every commit made before it. Callbacks of destroyed stores do not run.
//
// Time. A store may come back with less than it has acknowledged: restarted from a snapshot, restored from a
// backup, emptied, replaced by a replica that lagged. So each shard counts its commits, in its record; a
// commit on a shard that knows fewer than this Store was told of is fenced, too, and whoever claims the shard
// is told the count.
//
// Failure. While the store is away calls are kept, bounded, and carried out when it is back, in order; every
// call fails with kUnavailable once its deadline (StoreConfig::timeout) has passed, and those made after it,
// which may build on it, fail with it. A commit that failed so may or may not have been applied. But what was
// applied of commits that failed together are the first so many of them, never a later one without an earlier
// one; and that is settled before any call is carried out that was made after the failure was reported: a
// read then sees how it ended, for good.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/shard.h"
#include "statekeeper/store/redis_files.h"

struct ev_loop;

namespace dormouse {

enum class StoreStatus {
  kOk,
  kFenced,       // another owner has the shard, or it has lost commits that were acknowledged
  kUnavailable,  // no answer within the deadline
  kError,        // the store refused (out of memory, disk full, wrong type, ...); see the log
};

// What a store does of its work, as far as is known: for operators, who are to be told the truth. An error in
// one hub's rows is none of these.
enum class StoreState {
  kWell,
  kPartly,   // hubs of a smaller part of it wait or are refused; the others are served
  kRefuses,  // it answers, and refuses every change (out of memory, its disk is full, ...)
  kAway,
};

struct StoreReport {
  StoreState state = StoreState::kAway;
  std::string trouble = "no connection yet";  // part of a sentence; empty: nobody knows, or nothing is wrong
  friend bool operator==(const StoreReport&, const StoreReport&) = default;
};

struct Row {
  std::string key;
  std::string value;
  friend bool operator==(const Row&, const Row&) = default;
};

struct RowWrite {
  std::string key;
  std::optional<std::string> value;  // nothing: delete

  size_t bytes() const { return key.size() + (value ? value->size() : 0); }
};

// All writes of one event (or several events in a row) of one hub. Atomic.
struct HubCommit {
  std::string hub;  // "CLASS/NAME"
  std::vector<RowWrite> rows;
  // Absent: leave the alarm as it is. 0: delete it. Else: due then (wall clock), in place of any other.
  std::optional<int64_t> alarm_due_ms;
};

// Commits of one shard's hubs, carried out in their order under the shard's fence. Small ones are one atomic
// step; of a large one (hundreds of rows) each hub's part is.
struct ShardCommit {
  ShardId shard = 0;
  uint32_t epoch = 0;
  std::vector<HubCommit> hubs;
};

// Rows of one hub, in key order.
struct RowPage {
  std::vector<Row> rows;
  bool complete = false;  // nothing follows these rows in the range that was asked for
};

struct DueAlarm {
  std::string hub;
  int64_t due_ms = 0;
};

struct AlarmPage {
  std::vector<DueAlarm> due;
  // When the next alarm of the shard after these is due; nothing: there is none.
  std::optional<int64_t> next_ms;
};

struct ShardRecord {
  std::string owner;  // empty: never owned
  uint32_t epoch = 0;
  uint32_t crashes = 0;  // see ClusterStore::Claim
  uint64_t commits = 0;  // of all its owners so far
};

// The first epoch of a shard that nobody has owned yet: the seconds since 2020. So a store that was emptied,
// or put back from a backup of long ago, does not begin again with epochs that gateways know to be over.
uint32_t FirstEpoch();

class Store {
 public:
  using CommitCallback = std::function<void(StoreStatus)>;
  using RowsCallback = std::function<void(StoreStatus, RowPage)>;
  using ValuesCallback = std::function<void(StoreStatus, std::vector<std::optional<std::string>>)>;
  using AlarmsCallback = std::function<void(StoreStatus, AlarmPage)>;
  using NamesCallback = std::function<void(StoreStatus, std::vector<std::string>)>;

  virtual ~Store() = default;

  // Writes that are durable (as far as the store is configured to be) when the callback says kOk. Many calls
  // in one turn of the loop travel together and, where the store syncs to a disk, share one sync.
  virtual void Commit(ShardCommit commit, CommitCallback done) = 0;

  // Up to `limit` rows with first <= key < last (`last` empty: no end), ascending; at most 1,000 rows and
  // about 256 KiB are returned whatever `limit` says. Reading a small hub whole is one call.
  virtual void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
                     RowsCallback done) = 0;

  // Values by key, in the order of `keys` (at most 1,000).
  virtual void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) = 0;

  // Alarms of a shard with due <= now, earliest first, at most `limit`; they stay until a commit changes
  // them.
  virtual void DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmsCallback done) = 0;

  // Names of the shard's hubs that have rows, ascending, after `after` (empty: from the first), at most
  // `limit` (at most 1,000). Fewer than `limit`: there are no more.
  virtual void ListHubs(ShardId shard, const std::string& after, size_t limit, NamesCallback done) = 0;

  // The shard's commits in this epoch and all before it, when the last one was acknowledged here; 0: none
  // was.
  virtual uint64_t Commits(const ShardEpoch& /*shard*/) const { return 0; }

  // False while the store is known to be away.
  virtual bool healthy() const = 0;

  // For readiness and metrics: cheap, asked in every turn of the loop. What was refused lately is tried again
  // each second, so that the state follows the store where nobody else calls it.
  virtual StoreState state() const { return healthy() ? StoreState::kWell : StoreState::kAway; }
  // What is wrong while it is not kWell: part of a sentence.
  virtual std::string trouble() const { return "it does not answer"; }
};

struct StoreConfig {
  std::string url;          // file:PATH, or one of redis_url.h
  RedisFiles redis;         // Redis only
  std::string key_prefix;   // Redis only
  Duration timeout{5'000};  // of every call
  std::string owner;        // of this process: its name in shards' records, which commits are checked against
  uint32_t shard_count = 1024;
};

// A process's access to its store. Opened once, before any lane starts; makes each lane's Store. Outlives
// them.
class ClusterStore;
class StoreFactory {
 public:
  virtual ~StoreFactory() = default;
  virtual std::unique_ptr<Store> NewStore(struct ev_loop* loop) = 0;
  // See cluster_store.h.
  virtual std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop* loop) = 0;
  // Whether several processes can share the store. False: this one owns all shards.
  virtual bool shared() const = 0;
  // An id that was made at the cluster's first start, and is stored with it.
  virtual std::string cluster_id() const { return ""; }
};

}  // namespace dormouse
