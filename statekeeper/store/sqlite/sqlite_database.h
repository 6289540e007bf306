// The store's file: what lies in it, and the operations of store.h and cluster_store.h on it, blocking.
// Write-ahead log, synced at every commit; locked for this process from Open until the object or the process
// is gone, however it ends; readable for this user alone.
//
// When the file, or its log, is removed, replaced or overwritten under it, what was not yet answered is refused, as is
// everything until the file at the path has been still for a moment; that one is opened then, and is another
// store (serial()).
//
// Used by one thread at a time. Operations are made between Begin and Commit or Rollback. An operation or a
// Commit that fails leaves a transaction that can only be rolled back; error() says what was wrong.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/sqlite/store_file.h"
#include "statekeeper/store/sqlite/store_log.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class SqliteDatabase {
 public:
  // Makes the file when there is none. On failure returns nullptr and sets `*error` to a sentence.
  static std::unique_ptr<SqliteDatabase> Open(const std::string& path, uint32_t shard_count,
                                              std::string* error);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  bool Begin();
  bool Commit();
  void Rollback();

  // kFenced: nothing was changed; the transaction is as good as before. `*commits`: of the shard; before,
  // those that it must know of, and with kOk those that it has known with this one.
  StoreStatus Apply(const ShardCommit& commit, const std::string& owner, uint64_t* commits);
  StoreStatus Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
                    RowPage* page);
  StoreStatus Get(const std::string& hub, const std::vector<std::string>& keys,
                  std::vector<std::optional<std::string>>* values);
  StoreStatus DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmPage* page);
  StoreStatus ListHubs(ShardId shard, const std::string& after, size_t limit,
                       std::vector<std::string>* names);

  // The version of the shard table, and what changed; members are none of the file's business.
  StoreStatus ShardTable(uint64_t known_version, SyncAnswer* answer);
  StoreStatus Claim(const std::string& owner, const std::vector<ShardClaim>& claims,
                    std::vector<ShardRecord>* records);
  StoreStatus Publish(const std::vector<ShardEntry>& entries);
  StoreStatus Release(const std::string& owner, const std::vector<ShardEpoch>& shards);
  StoreStatus GetValue(const std::string& key, std::optional<std::string>* value);
  StoreStatus PutValue(const std::string& key, const std::optional<std::string>& value);
  StoreStatus ChangeValue(const ValueChange& change, std::optional<std::string>* value);

  // See StoreFactory.
  const std::string& cluster_id() const { return cluster_id_; }

  std::string error() const;
  // Counts the stores that this object has had.
  uint64_t serial() const { return serial_; }
  // What went wrong last is that something in the file cannot be read, rather than that nothing can be
  // written.
  bool error_is_damage() const;

  // Writes something that is larger than most commits, and removes it again. False: there is no room, or the
  // disk fails. Not within a transaction.
  bool Probe();

 private:
  // A shard's record, and whether it was released.
  StoreStatus GetShard(ShardId shard, ShardRecord* record, bool* released);

  class Query;
  enum Statement {
    kBegin,
    kCommit,
    kRollback,
    kPutRow,
    kDeleteRow,
    kRangeFrom,
    kRangeBetween,
    kGetRow,
    kPutAlarm,
    kDeleteAlarm,
    kDueAlarms,
    kNextAlarm,
    kGetShard,
    kPutShard,
    kPutCrashes,
    kCountCommit,
    kReleaseShard,
    kUnreleaseShard,
    kHasRows,
    kListHub,
    kUnlistHub,
    kListHubs,
    kTableVersion,
    kTableChanges,
    kPublish,
    kGetValue,
    kPutValue,
    kDeleteValue,
    kStatements
  };

  SqliteDatabase(const std::string& path, uint32_t shard_count) : file_(path), shard_count_(shard_count) {}
  bool OpenFile(std::string* error);
  // Writes down what is not there under that name; `*kept`: what is.
  bool KeepFirst(const std::string& name, const std::string& value, std::string* kept);
  // `abandon`: what its log holds is not to go anywhere any more.
  void CloseFile(bool abandon);
  StoreFile::Change FindChange() const;
  // Another store is at the path, or none. False: it is not open, trouble_ says why.
  bool ChangeStore(StoreFile::Change change);
  // After a commit's writes: whether the hub has rows now, as the list of hubs has to say.
  bool KeepListed(ShardId shard, const HubCommit& hub);
  bool Prepare();
  bool Execute(const char* sql);

  StoreFile file_;
  StoreLog log_;
  const uint32_t shard_count_;
  sqlite3* db_ = nullptr;  // null: the file was lost, and there is no other yet
  uint64_t serial_ = 1;
  std::string cluster_id_;
  std::string trouble_;  // beside SQLite's own
  sqlite3_stmt* statements_[kStatements] = {};
};

}  // namespace dormouse
