#include "statekeeper/store/sqlite_worker.h"

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kLogIntervalMs = 10'000;

}  // namespace

SqliteWorker::SqliteWorker(std::unique_ptr<SqliteDatabase> database)
    : database_(std::move(database)), thread_([this] { Run(); }) {}

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
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      jobs.swap(queue_);
    }
    RunTogether(jobs);
  }
}

// One transaction: either all jobs count or none, so a job that read another's writes is answered only after
// those are durable.
void SqliteWorker::RunTogether(const std::vector<Job>& jobs) {
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
    Mailbox& mailbox = *jobs[i].mailbox;
    const std::lock_guard lock(mailbox.mutex);
    mailbox.answers.push_back({jobs[i].call, statuses[i]});
    if (mailbox.async != nullptr) mailbox.async->send();
  }
}

bool SqliteWorker::IsGivenUp(const Job& job) {
  const std::lock_guard lock(job.mailbox->mutex);
  return job.call <= job.mailbox->given_up;
}

void SqliteWorker::LogFailure() {
  if (SteadyMs() < next_log_ms_) return;
  next_log_ms_ = SteadyMs() + kLogIntervalMs;
  SPDLOG_ERROR("The store's file cannot be read or written: {}", database_->error());
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

void SqliteCalls::Call(size_t bytes, SqliteWorker::Work work, Done done) {
  if (calls_.Push({bytes, std::move(done)})) worker_->Submit({mailbox_, ++last_call_, std::move(work)});
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
