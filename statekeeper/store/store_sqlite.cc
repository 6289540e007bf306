#include "statekeeper/store/store_sqlite.h"

#include <ev++.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/call_queue.h"
#include "statekeeper/store/cluster_store.h"
#include "statekeeper/store/sqlite_database.h"

namespace dormouse {
namespace {

constexpr std::string_view kScheme = "file:";
constexpr int64_t kLogIntervalMs = 10'000;

// What a lane and the thread share. A lane numbers its calls from 1; answers come back in the same order,
// save that calls which the lane has given up may have none.
struct Lane {
  struct Answer {
    uint64_t call;
    StoreStatus status;
  };
  std::mutex mutex;
  std::vector<Answer> answers;
  uint64_t given_up = 0;       // calls up to this one are not to be begun any more
  ev::async* async = nullptr;  // the lane's; null: its Store is gone
};

using Work = std::function<StoreStatus(SqliteDatabase&)>;

struct Job {
  std::shared_ptr<Lane> lane;
  uint64_t call;
  Work work;
};

// The thread, its queue and the database.
class Worker {
 public:
  explicit Worker(std::unique_ptr<SqliteDatabase> database)
      : database_(std::move(database)), thread_([this] { Run(); }) {}

  // Carries out what was called before.
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Submit(Job job) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  void Run() {
    while (true) {
      std::vector<Job> jobs;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        jobs.swap(queue_);
      }
      RunTogether(jobs);
    }
  }

  // One transaction: either all jobs count or none, so a job that read another's writes is answered only
  // after those are durable.
  void RunTogether(const std::vector<Job>& jobs) {
    std::vector<StoreStatus> statuses(jobs.size(), StoreStatus::kOk);
    bool ok = database_->Begin();
    for (size_t i = 0; ok && i < jobs.size(); ++i) {
      if (IsGivenUp(jobs[i])) continue;
      statuses[i] = jobs[i].work(*database_);
      ok = statuses[i] != StoreStatus::kError;
    }
    if (!ok || !database_->Commit()) {
      LogFailure();
      database_->Rollback();
      statuses.assign(jobs.size(), StoreStatus::kError);
    }
    for (size_t i = 0; i < jobs.size(); ++i) {
      Lane& lane = *jobs[i].lane;
      const std::lock_guard lock(lane.mutex);
      lane.answers.push_back({jobs[i].call, statuses[i]});
      if (lane.async != nullptr) lane.async->send();
    }
  }

  static bool IsGivenUp(const Job& job) {
    const std::lock_guard lock(job.lane->mutex);
    return job.call <= job.lane->given_up;
  }

  void LogFailure() {
    if (SteadyMs() < next_log_ms_) return;
    next_log_ms_ = SteadyMs() + kLogIntervalMs;
    SPDLOG_ERROR("The store's file cannot be read or written: {}", database_->error());
  }

  const std::unique_ptr<SqliteDatabase> database_;
  int64_t next_log_ms_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

class SqliteStore : public Store {
 public:
  SqliteStore(struct ev_loop* loop, const StoreConfig& config, Worker* worker)
      : owner_(config.owner),
        worker_(worker),
        lane_(std::make_shared<Lane>()),
        calls_(loop, config.timeout, [this] { OnExpiry(); }),
        async_(loop) {
    async_.set<SqliteStore, &SqliteStore::OnAnswers>(this);
    async_.start();
    lane_->async = &async_;
  }

  ~SqliteStore() override {
    const std::lock_guard lock(lane_->mutex);
    lane_->async = nullptr;
  }

  void Commit(ShardCommit commit, CommitCallback done) override {
    size_t bytes = 0;
    for (const HubCommit& hub : commit.hubs) {
      bytes += sizeof(HubCommit) + hub.hub.size();
      for (const RowWrite& row : hub.rows) {
        bytes += sizeof(RowWrite) + row.key.size() + (row.value ? row.value->size() : 0);
      }
    }
    Submit(
        bytes,
        [commit = std::move(commit), owner = owner_](SqliteDatabase& database) {
          return database.Apply(commit, owner);
        },
        std::move(done));
  }

  void Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
             RowsCallback done) override {
    Read<RowPage>(
        [hub, first, last, limit](SqliteDatabase& database, RowPage* page) {
          return database.Range(hub, first, last, limit, page);
        },
        std::move(done));
  }

  void Get(const std::string& hub, std::vector<std::string> keys, ValuesCallback done) override {
    Read<std::vector<std::optional<std::string>>>(
        [hub, keys = std::move(keys)](SqliteDatabase& database, auto* values) {
          return database.Get(hub, keys, values);
        },
        std::move(done));
  }

  void DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmsCallback done) override {
    Read<AlarmPage>(
        [shard, now_ms, limit](SqliteDatabase& database, AlarmPage* page) {
          return database.DueAlarms(shard, now_ms, limit, page);
        },
        std::move(done));
  }

  void ListHubs(ShardId, const std::string&, size_t, NamesCallback done) override {
    done(StoreStatus::kError, {});
  }

  void TakeShards(const std::string& owner, std::vector<ShardId> shards, ShardsCallback done) override {
    Read<std::vector<ShardRecord>>(
        [owner, shards = std::move(shards)](SqliteDatabase& database, std::vector<ShardRecord>* records) {
          return database.TakeShards(owner, shards, records);
        },
        std::move(done));
  }

  bool healthy() const override { return healthy_; }

 private:
  struct PendingCall {
    size_t size;
    CommitCallback done;
    size_t bytes() const { return size; }
    void Fail(StoreStatus status) { done(status); }
  };

  // A call with a result, which the thread fills in before it answers.
  template <typename Result, typename ResultWork, typename Done>
  void Read(ResultWork work, Done done) {
    auto result = std::make_shared<Result>();
    Submit(
        sizeof(Job),
        [work = std::move(work), result](SqliteDatabase& database) { return work(database, result.get()); },
        [done = std::move(done), result](StoreStatus status) {
          done(status, status == StoreStatus::kOk ? std::move(*result) : Result{});
        });
  }

  void Submit(size_t bytes, Work work, CommitCallback done) {
    if (calls_.Push({bytes, std::move(done)})) worker_->Submit({lane_, ++last_call_, std::move(work)});
  }

  void OnExpiry() {
    healthy_ = false;
    const std::lock_guard lock(lane_->mutex);
    lane_->given_up = last_call_;
  }

  void OnAnswers(ev::async&, int) {
    std::vector<Lane::Answer> answers;
    {
      const std::lock_guard lock(lane_->mutex);
      answers.swap(lane_->answers);
    }
    healthy_ = true;
    const std::shared_ptr<Lane> lane = lane_;
    for (const Lane::Answer& answer : answers) {
      // Of the calls that were given up none is in the queue any more.
      if (answer.call + calls_.size() <= last_call_) continue;
      calls_.PopFront().done(answer.status);
      if (lane->async == nullptr) return;  // the callback destroyed the store: the others' do not run
    }
  }

  const std::string owner_;
  Worker* const worker_;
  const std::shared_ptr<Lane> lane_;
  CallQueue<PendingCall> calls_;
  uint64_t last_call_ = 0;
  bool healthy_ = true;
  ev::async async_;
};

class SqliteStoreFactory : public StoreFactory {
 public:
  SqliteStoreFactory(const StoreConfig& config, std::unique_ptr<SqliteDatabase> database)
      : config_(config), worker_(std::move(database)) {}

  std::unique_ptr<Store> NewStore(struct ev_loop* loop) override {
    return std::make_unique<SqliteStore>(loop, config_, &worker_);
  }
  std::unique_ptr<ClusterStore> NewClusterStore(struct ev_loop*) override { return nullptr; }
  bool shared() const override { return false; }

 private:
  const StoreConfig config_;
  Worker worker_;
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
