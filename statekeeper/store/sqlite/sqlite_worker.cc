#include "statekeeper/store/sqlite/sqlite_worker.h"

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kLogIntervalMs = 10'000;
// Without those that failed in the attempt before; then one by one.
constexpr int kAttemptsTogether = 4;
constexpr std::chrono::milliseconds kProbeInterval{1'000};

}  // namespace

SqliteWorker::SqliteWorker(std::unique_ptr<SqliteDatabase> database)
    : database_(std::move(database)), serial_(database_->serial()), thread_([this] { Run(); }) {}

SqliteWorker::~SqliteWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SqliteWorker::Submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void SqliteWorker::Run() {
  while (true) {
    std::vector<Job> jobs;
    {
      std::unique_lock lock(mutex_);
      const auto wanted = [this] { return stopping_ || !queue_.empty(); };
      if (refusal_.empty()) {
        wake_.wait(lock, wanted);
      } else {
        wake_.wait_for(lock, kProbeInterval, wanted);
      }
      if (queue_.empty() && stopping_) return;
      jobs.swap(queue_);
    }
    if (!jobs.empty()) RunTogether(jobs);
    if (refusal_.empty() || SteadyMs() < probe_at_ms_) continue;
    probe_at_ms_ = SteadyMs() + kProbeInterval.count();
    Probe();
  }
}

// Either all that have not failed count or none, so a job that read another's writes is answered only after
// those are durable.
void SqliteWorker::RunTogether(const std::vector<Job>& jobs) {
  std::vector<StoreStatus> statuses(jobs.size(), StoreStatus::kOk);
  std::vector<bool> failed(jobs.size(), false);
  size_t left = jobs.size();
  const auto fail = [&](size_t i) {
    for (size_t each = i; each < jobs.size(); ++each) {
      const bool is_linked = jobs[i].is_chained && jobs[each].is_chained && jobs[each].shard == jobs[i].shard;
      if (failed[each] || (each != i && !is_linked)) continue;
      failed[each] = true;
      --left;
    }
  };
  std::optional<size_t> culprit = Attempt(jobs, failed, &statuses);
  for (int attempts = 1; culprit && attempts < kAttemptsTogether && *culprit < jobs.size(); ++attempts) {
    fail(*culprit);
    culprit = Attempt(jobs, failed, &statuses);
  }
  if (culprit && left > 1) {  // one by one
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (failed[i]) continue;
      std::vector<bool> others(jobs.size(), true);
      others[i] = false;
      if (Attempt(jobs, others, &statuses)) fail(i);
    }
  } else if (culprit) {
    failed.assign(jobs.size(), true);
  }
  NoteShares(jobs, failed);
  for (size_t i = 0; i < jobs.size(); ++i) {
    Mailbox& mailbox = *jobs[i].mailbox;
    const std::lock_guard lock(mailbox.mutex);
    mailbox.answers.push_back({jobs[i].call, failed[i] ? StoreStatus::kError : statuses[i]});
    if (mailbox.async != nullptr) mailbox.async->send();
  }
}

std::optional<size_t> SqliteWorker::Attempt(const std::vector<Job>& jobs, const std::vector<bool>& failed,
                                            std::vector<StoreStatus>* statuses) {
  std::optional<size_t> culprit;
  if (!database_->Begin()) culprit = jobs.size();
  if (database_->serial() != serial_) ForgetDamage();
  for (size_t i = 0; !culprit && i < jobs.size(); ++i) {
    if (failed[i] || IsGivenUp(jobs[i])) continue;
    (*statuses)[i] = jobs[i].work(*database_);
    if ((*statuses)[i] == StoreStatus::kError) culprit = i;
  }
  if (!culprit && !database_->Commit()) culprit = jobs.size();
  if (culprit) {
    NoteFailure();
    database_->Rollback();
  }
  return culprit;
}

bool SqliteWorker::IsGivenUp(const Job& job) {
  const std::lock_guard lock(job.mailbox->mutex);
  return job.call <= job.mailbox->given_up;
}

void SqliteWorker::NoteFailure() {
  const std::string error = database_->error();
  if (database_->error_is_damage()) {
    SetState(refusal_, error, damage_is_most_);
  } else {
    SetState(error, damage_, damage_is_most_);
  }
  if (SteadyMs() < next_log_ms_) return;
  next_log_ms_ = SteadyMs() + kLogIntervalMs;
  SPDLOG_ERROR("The store's file cannot be read or written: {}", error);
}

void SqliteWorker::NoteShares(const std::vector<Job>& jobs, const std::vector<bool>& failed) {
  // What fails while nothing can be written says nothing of the damage.
  if (!refusal_.empty()) return;
  const int64_t now_ms = SteadyMs();
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].shard) continue;
    if (failed[i]) {
      share_.Failed(*jobs[i].shard, now_ms);
    } else {
      share_.Served(*jobs[i].shard, now_ms);
    }
  }
  if (damage_.empty()) return;
  const bool is_most = share_.IsMost(now_ms);
  if (is_most != damage_is_most_) SetState(refusal_, damage_, is_most);
}

void SqliteWorker::ForgetDamage() {
  serial_ = database_->serial();
  share_ = {};
  SetState(refusal_, "", false);
}

void SqliteWorker::SetState(std::string refusal, std::string damage, bool damage_is_most) {
  const std::lock_guard lock(trouble_mutex_);
  refusal_ = std::move(refusal);
  damage_ = std::move(damage);
  damage_is_most_ = damage_is_most;
  state_.store(!refusal_.empty() || damage_is_most_ ? StoreState::kRefuses
               : !damage_.empty()                   ? StoreState::kPartly
                                                    : StoreState::kWell,
               std::memory_order_relaxed);
}

std::string SqliteWorker::trouble() const {
  const std::lock_guard lock(trouble_mutex_);
  if (!refusal_.empty()) return refusal_;
  if (damage_.empty()) return "";
  return damage_is_most_
             ? "most hubs are refused, for what they need of its file is damaged (" + damage_ +
                   "): put it aside and restore a backup (dormousectl verify, dormousectl restore)"
             : "a part of its file is damaged (" + damage_ + "); restore it from a backup";
}

void SqliteWorker::Probe() {
  if (!database_->Probe()) return;
  SPDLOG_INFO("The store's file can be written again");
  SetState("", damage_, damage_is_most_);
}

SqliteCalls::SqliteCalls(struct ev_loop* loop, Duration timeout, SqliteWorker* worker)
    : worker_(worker),
      mailbox_(std::make_shared<SqliteWorker::Mailbox>()),
      calls_(loop, timeout, [this] { OnExpiry(); }),
      async_(loop) {
  async_.set<SqliteCalls, &SqliteCalls::OnAnswers>(this);
  async_.start();
  mailbox_->async = &async_;
}

SqliteCalls::~SqliteCalls() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->async = nullptr;
}

void SqliteCalls::Call(size_t bytes, SqliteWorker::Work work, Done done, std::optional<ShardId> shard,
                       bool is_chained) {
  if (calls_.Push({bytes, std::move(done)}))
    worker_->Submit({mailbox_, ++last_call_, std::move(work), shard, is_chained});
}

void SqliteCalls::OnExpiry() {
  healthy_ = false;
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->given_up = last_call_;
}

void SqliteCalls::OnAnswers(ev::async&, int) {
  std::vector<SqliteWorker::Mailbox::Answer> answers;
  {
    const std::lock_guard lock(mailbox_->mutex);
    answers.swap(mailbox_->answers);
  }
  healthy_ = true;
  const std::shared_ptr<SqliteWorker::Mailbox> mailbox = mailbox_;
  for (const SqliteWorker::Mailbox::Answer& answer : answers) {
    // Of the calls that were given up none is in the queue any more.
    if (answer.call + calls_.size() <= last_call_) continue;
    calls_.PopFront().done(answer.status);
    if (mailbox->async == nullptr) return;  // the callback destroyed the store: the others' do not run
  }
}

}  // namespace dormouse
