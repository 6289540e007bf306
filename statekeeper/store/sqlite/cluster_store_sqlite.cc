#include "statekeeper/store/sqlite/cluster_store_sqlite.h"

#include <optional>
#include <string>
#include <utility>

#include "common/clock.h"

namespace dormouse {
namespace {

class SqliteClusterStore : public ClusterStore {
 public:
  SqliteClusterStore(struct ev_loop* loop, const StoreConfig& config, SqliteWorker* worker)
      : owner_(config.owner), calls_(loop, config.timeout, worker) {}

  void Sync(SyncRequest request, SyncCallback done) override {
    const auto known = request.known_version;
    struct Synced {
      SyncAnswer answer;
      uint64_t serial = 0;
    };
    calls_.Read<Synced>(
        [known](SqliteDatabase& database, Synced* synced) {
          synced->serial = database.serial();
          return database.ShardTable(known, &synced->answer);
        },
        [this, request = std::move(request), done = std::move(done)](StoreStatus status, Synced synced) {
          SyncAnswer& answer = synced.answer;
          if (status == StoreStatus::kOk) {
            const uint64_t before = std::exchange(serial_, synced.serial);
            answer.lost_time = before != 0 && before != serial_;
            const int64_t now_ms = SteadyMs();
            answer.renewed = now_ms < lapses_ms_;
            lapses_ms_ = now_ms + request.ttl.count();
            answer.members = {{owner_, request.record}};
          }
          done(status, std::move(answer));
        });
  }

  void Leave(DoneCallback done) override {
    calls_.Call(
        sizeof(SqliteWorker::Job), [](SqliteDatabase&) { return StoreStatus::kOk; },
        [this, done = std::move(done)](StoreStatus status) {
          if (status == StoreStatus::kOk) lapses_ms_ = 0;
          done(status);
        });
  }

  void Claim(std::vector<ShardClaim> claims, RecordsCallback done) override {
    calls_.Read<std::vector<ShardRecord>>(
        [owner = owner_, claims = std::move(claims)](SqliteDatabase& database,
                                                     std::vector<ShardRecord>* records) {
          return database.Claim(owner, claims, records);
        },
        std::move(done));
  }

  void Publish(std::vector<ShardEntry> entries, DoneCallback done) override {
    size_t bytes = sizeof(SqliteWorker::Job);
    for (const ShardEntry& entry : entries) bytes += sizeof(entry) + entry.owner.size() + entry.avoid.size();
    calls_.Call(
        bytes, [entries = std::move(entries)](SqliteDatabase& database) { return database.Publish(entries); },
        std::move(done));
  }

  void Release(std::vector<ShardEpoch> shards, DoneCallback done) override {
    calls_.Call(
        sizeof(SqliteWorker::Job) + shards.size() * sizeof(ShardEpoch),
        [owner = owner_, shards = std::move(shards)](SqliteDatabase& database) {
          return database.Release(owner, shards);
        },
        std::move(done));
  }

  void GetValue(const std::string& key, ValueCallback done) override {
    calls_.Read<std::optional<std::string>>(
        [key](SqliteDatabase& database, std::optional<std::string>* value) {
          return database.GetValue(key, value);
        },
        std::move(done));
  }

  void PutValue(const std::string& key, std::optional<std::string> value, DoneCallback done) override {
    const size_t bytes = sizeof(SqliteWorker::Job) + key.size() + (value ? value->size() : 0);
    calls_.Call(
        bytes,
        [key, value = std::move(value)](SqliteDatabase& database) { return database.PutValue(key, value); },
        std::move(done));
  }

  void ChangeValue(ValueChange change, ValueCallback done) override {
    calls_.Read<std::optional<std::string>>(
        [change = std::move(change)](SqliteDatabase& database, std::optional<std::string>* value) {
          return database.ChangeValue(change, value);
        },
        std::move(done));
  }

  bool healthy() const override { return calls_.healthy(); }
  StoreState state() const override { return calls_.state(); }
  std::string trouble() const override { return calls_.trouble(); }

 private:
  const std::string owner_;
  uint64_t serial_ = 0;    // of the store at the last Sync; 0: there was none
  int64_t lapses_ms_ = 0;  // nobody else is there to see it: it need not be in the file
  SqliteCalls calls_;
};

}  // namespace

std::unique_ptr<ClusterStore> NewSqliteClusterStore(struct ev_loop* loop, const StoreConfig& config,
                                                    SqliteWorker* worker) {
  return std::make_unique<SqliteClusterStore>(loop, config, worker);
}

}  // namespace dormouse
