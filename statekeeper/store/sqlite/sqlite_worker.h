// The thread that has the store's file to itself, and what calls it.
//
// Calls of all callers that have come together are carried out in one transaction, and answered after it.
// Where one of them cannot be carried out (a page of the file is damaged, say), the others go without it.
#pragma once

#include <ev++.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/shard.h"
#include "statekeeper/store/call_queue.h"
#include "statekeeper/store/sqlite/damage_share.h"
#include "statekeeper/store/sqlite/sqlite_database.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class SqliteWorker {
 public:
  using Work = std::function<StoreStatus(SqliteDatabase&)>;

  // What a caller and the thread share. A caller numbers its calls from 1; answers come back in the same
  // order, save that calls which the caller has given up may have none.
  struct Mailbox {
    struct Answer {
      uint64_t call;
      StoreStatus status;
    };
    std::mutex mutex;
    std::vector<Answer> answers;
    uint64_t given_up = 0;       // calls up to this one are not to be begun any more
    ev::async* async = nullptr;  // the caller's; null: it is gone
  };

  struct Job {
    std::shared_ptr<Mailbox> mailbox;
    uint64_t call;
    Work work;  // may be run again when others of its transaction failed
    // Whose hubs it is for; nothing: it is for none in particular.
    std::optional<ShardId> shard;
    // It may build on earlier ones of its shard that do, and fails with them.
    bool is_chained = false;
  };

  // How the file is, for Store::state(). Any thread.
  StoreState state() const { return state_.load(std::memory_order_relaxed); }
  std::string trouble() const;

  explicit SqliteWorker(std::unique_ptr<SqliteDatabase> database);
  ~SqliteWorker();  // carries out what was called before
  SqliteWorker(const SqliteWorker&) = delete;
  SqliteWorker& operator=(const SqliteWorker&) = delete;

  void Submit(Job job);  // any thread

 private:
  void Run();
  void RunTogether(const std::vector<Job>& jobs);
  // One transaction of those that have not failed. Nothing: it is durable. Else which one failed, or
  // jobs.size(): its end did.
  std::optional<size_t> Attempt(const std::vector<Job>& jobs, const std::vector<bool>& failed,
                                std::vector<StoreStatus>* statuses);
  static bool IsGivenUp(const Job& job);
  void NoteFailure();
  // What became of them says how far the damage reaches.
  void NoteShares(const std::vector<Job>& jobs, const std::vector<bool>& failed);
  // Another store is open, whose damage is not this one's.
  void ForgetDamage();
  void SetState(std::string refusal, std::string damage, bool damage_is_most);
  void Probe();

  const std::unique_ptr<SqliteDatabase> database_;
  std::atomic<StoreState> state_{StoreState::kWell};
  mutable std::mutex trouble_mutex_;
  std::string refusal_;  // why nothing can be written; empty: it can
  std::string damage_;   // why something cannot be read; for good, of this store
  bool damage_is_most_ = false;
  DamageShare share_;
  uint64_t serial_ = 0;
  int64_t next_log_ms_ = 0;
  int64_t probe_at_ms_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

// The calls of one Store or ClusterStore, on its loop's thread. `worker` outlives it.
class SqliteCalls {
 public:
  using Done = std::function<void(StoreStatus)>;

  SqliteCalls(struct ev_loop* loop, Duration timeout, SqliteWorker* worker);
  ~SqliteCalls();
  SqliteCalls(const SqliteCalls&) = delete;
  SqliteCalls& operator=(const SqliteCalls&) = delete;

  // `bytes`: about what the call keeps in memory. `work` runs on the worker's thread, `done` on the loop's.
  void Call(size_t bytes, SqliteWorker::Work work, Done done, std::optional<ShardId> shard = std::nullopt,
            bool is_chained = false);

  // A call with a result, which the thread fills in before it answers.
  template <typename Result, typename ResultWork, typename ResultDone>
  void Read(ResultWork work, ResultDone done, std::optional<ShardId> shard = std::nullopt) {
    auto result = std::make_shared<Result>();
    Call(
        sizeof(SqliteWorker::Job),
        [work = std::move(work), result](SqliteDatabase& database) {
          *result = Result{};
          return work(database, result.get());
        },
        [done = std::move(done), result](StoreStatus status) {
          done(status, status == StoreStatus::kOk ? std::move(*result) : Result{});
        },
        shard);
  }

  bool healthy() const { return healthy_; }
  StoreState state() const { return healthy_ ? worker_->state() : StoreState::kAway; }
  std::string trouble() const { return healthy_ ? worker_->trouble() : "it does not answer"; }

 private:
  struct PendingCall {
    size_t size;
    Done done;
    size_t bytes() const { return size; }
    void Fail(StoreStatus status) { done(status); }
  };

  void OnExpiry();
  void OnAnswers(ev::async&, int);

  SqliteWorker* const worker_;
  const std::shared_ptr<SqliteWorker::Mailbox> mailbox_;
  CallQueue<PendingCall> calls_;
  uint64_t last_call_ = 0;
  bool healthy_ = true;
  ev::async async_;
};

}  // namespace dormouse
