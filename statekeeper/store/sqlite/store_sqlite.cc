#include "statekeeper/store/sqlite/store_sqlite.h"

#include <memory>
#include <utility>

#include "statekeeper/store/acknowledged_commits.h"
#include "statekeeper/store/sqlite/cluster_store_sqlite.h"
#include "statekeeper/store/sqlite/sqlite_database.h"
#include "statekeeper/store/sqlite/sqlite_worker.h"

namespace dormouse {
namespace {

constexpr std::string_view kScheme = "file:";

class SqliteStore : public Store {
 public:
  SqliteStore(struct ev_loop* loop, const StoreConfig& config, SqliteWorker* worker)
      : owner_(config.owner), shard_count_(config.shard_count), calls_(loop, config.timeout, worker) {}

  void Commit(ShardCommit commit, CommitCallback done) override {
    size_t bytes = 0;
    for (const HubCommit& hub : commit.hubs) {
      bytes += sizeof(HubCommit) + hub.hub.size();
      for (const RowWrite& row : hub.rows) {
        bytes += sizeof(RowWrite) + row.key.size() + (row.value ? row.value->size() : 0);
      }
    }
    const ShardEpoch shard{commit.shard, commit.epoch};
    const uint64_t known = Commits(shard);
    const auto commits = std::make_shared<uint64_t>();
    calls_.Call(
        bytes,
        [commit = std::move(commit), owner = owner_, known, commits](SqliteDatabase& database) {
          *commits = known;  // not only the first time that it is tried
          return database.Apply(commit, owner, commits.get());
        },
        [this, shard, commits, done = std::move(done)](StoreStatus status) {
          if (status == StoreStatus::kOk) acknowledged_.Note(shard, *commits);
          done(status);
        },
        shard.shard, true);
  }

  uint64_t Commits(const ShardEpoch& shard) const override { return acknowledged_.Of(shard); }

  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    calls_.Read<RowPage>(
        [hub, first, last, limit](SqliteDatabase& database, RowPage* page) {
          return database.Range(hub, first, last, limit, page);
        },
        std::move(done), ShardOf(hub, shard_count_));
  }

  void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) override {
    calls_.Read<std::vector<std::optional<std::string>>>(
        [hub, keys = std::move(keys)](SqliteDatabase& database, auto* values) {
          return database.Get(hub, keys, values);
        },
        std::move(done), ShardOf(hub, shard_count_));
  }

  void DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmsCallback done) override {
    calls_.Read<AlarmPage>(
        [shard, now_ms, limit](SqliteDatabase& database, AlarmPage* page) {
          return database.DueAlarms(shard, now_ms, limit, page);
        },
        std::move(done));
  }

  void ListHubs(ShardId shard, const std::string& after, size_t limit, NamesCallback done) override {
    calls_.Read<std::vector<std::string>>(
        [shard, after, limit](SqliteDatabase& database, std::vector<std::string>* names) {
          return database.ListHubs(shard, after, limit, names);
        },
        std::move(done));
  }

  bool healthy() const override { return calls_.healthy(); }
  StoreState state() const override { return calls_.state(); }
  std::string trouble() const override { return calls_.trouble(); }

 private:
  AcknowledgedCommits acknowledged_;
  const std::string owner_;
  const uint32_t shard_count_;
  SqliteCalls calls_;
};

class SqliteStoreFactory : public StoreFactory {
 public:
  SqliteStoreFactory(const StoreConfig& config, std::unique_ptr<SqliteDatabase> database)
      : config_(config), cluster_id_(database->cluster_id()), worker_(std::move(database)) {}

  std::unique_ptr<Store> NewStore(struct ev_loop* loop) override {
    return std::make_unique<SqliteStore>(loop, config_, &worker_);
  }
  std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop* loop) override {
    return NewSqliteClusterStore(loop, config_, &worker_);
  }
  bool shared() const override { return false; }
  std::string cluster_id() const override { return cluster_id_; }

 private:
  const StoreConfig config_;
  const std::string cluster_id_;
  SqliteWorker worker_;
};

}  // namespace

std::unique_ptr<StoreFactory> OpenSqliteStore(const StoreConfig& config, std::string* error) {
  const std::string path = config.url.substr(kScheme.size());
  if (path.empty()) {
    *error = "--store file:PATH names the file to keep the state in, e.g. file:/var/lib/dormouse/store.db.";
    return nullptr;
  }
  std::unique_ptr<SqliteDatabase> database = SqliteDatabase::Open(path, config.shard_count, error);
  if (database == nullptr) return nullptr;
  return std::make_unique<SqliteStoreFactory>(config, std::move(database));
}

}  // namespace dormouse
