#include "common/rpc/watchers.h"

#include <memory>
#include <utility>

#include "common/rpc/link_channel.h"

namespace dormouse {

class Watchers::Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(Watchers* all, CompletionThread* thread, Request request_call, Admit admit)
      : all_(all),
        thread_(thread),
        user_(thread),
        request_call_(std::move(request_call)),
        admit_(std::move(admit)),
        call_(&context_) {}

  void Listen() {
    context_.AsyncNotifyWhenDone(done_.Start());
    request_call_(&context_, &request_, &call_, user_.queue(), accept_.Start());
  }

 private:
  friend class Watchers;

  void Accepted(bool ok) {
    if (!ok) {
      done_.Abandon();
      return;
    }
    all_->Accept(thread_, request_call_, admit_);
    const grpc::Status admitted = admit_(request_);
    if (!admitted.ok()) {
      call_.Finish(admitted, finish_.Start());
      return;
    }
    const std::lock_guard lock(all_->mutex_);
    all_->watchers_.insert(this);
    all_->Serve(this);
  }

  void Written(bool ok) {
    const std::lock_guard lock(all_->mutex_);
    writing_ = false;
    if (!ok) all_->watchers_.erase(this);
    if (all_->watchers_.contains(this)) all_->Serve(this);
  }

  void Finished(bool) {}

  // The other side left, or the call is over for another reason.
  void Done(bool) {
    const std::lock_guard lock(all_->mutex_);
    all_->watchers_.erase(this);
  }

  Watchers* const all_;
  CompletionThread* const thread_;
  CompletionThread::User user_;
  const Request request_call_;
  const Admit admit_;
  Operation<Watcher> accept_{this, &Watcher::Accepted};
  Operation<Watcher> write_{this, &Watcher::Written};
  Operation<Watcher> finish_{this, &Watcher::Finished};
  Operation<Watcher> done_{this, &Watcher::Done};
  bool writing_ = false;
  uint64_t written_version_ = 0;
  grpc::ByteBuffer request_;
  grpc::ServerContext context_;
  Call call_;
};

void Watchers::Accept(CompletionThread* thread, Request request_call, Admit admit) {
  std::make_shared<Watcher>(this, thread, std::move(request_call), std::move(admit))->Listen();
}

void Watchers::Publish(const google::protobuf::MessageLite& message) {
  const std::lock_guard lock(mutex_);
  ++version_;
  refusal_ = grpc::Status::OK;
  message_ = ToBuffer(message);
  for (Watcher* watcher : watchers_) Serve(watcher);
}

void Watchers::Withdraw(const grpc::Status& refusal) {
  const std::lock_guard lock(mutex_);
  refusal_ = refusal;
  for (Watcher* watcher : std::set<Watcher*>(watchers_)) Serve(watcher);
}

void Watchers::Serve(Watcher* watcher) {
  if (watcher->writing_) return;
  if (!refusal_.ok()) {
    watchers_.erase(watcher);
    watcher->call_.Finish(refusal_, watcher->finish_.Start());
    return;
  }
  if (watcher->written_version_ == version_) return;
  watcher->writing_ = true;
  watcher->written_version_ = version_;
  watcher->call_.Write(message_, watcher->write_.Start());
}

}  // namespace dormouse
