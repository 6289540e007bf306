#include "statekeeper/link/shard_watchers.h"

#include <utility>

#include "proto/link_channel.h"

namespace dormouse {

class ShardWatchers::Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(ShardWatchers* all, CompletionThread* thread, RequestCall request_call)
      : all_(all), thread_(thread), user_(thread), request_call_(std::move(request_call)), call_(&context_) {}

  void Request() {
    context_.AsyncNotifyWhenDone(done_.Start());
    request_call_(&context_, &request_, &call_, user_.queue(), accept_.Start());
  }

 private:
  friend class ShardWatchers;

  void Accepted(bool ok) {
    if (!ok) {
      done_.Abandon();
      return;
    }
    all_->Accept(thread_, request_call_);
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

  // The gateway left, or the call is over for another reason.
  void Done(bool) {
    const std::lock_guard lock(all_->mutex_);
    all_->watchers_.erase(this);
  }

  ShardWatchers* const all_;
  CompletionThread* const thread_;
  CompletionThread::User user_;
  const RequestCall request_call_;
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

void ShardWatchers::Accept(CompletionThread* thread, RequestCall request_call) {
  std::make_shared<Watcher>(this, thread, std::move(request_call))->Request();
}

void ShardWatchers::Publish(const link::ShardMap& map) {
  const std::lock_guard lock(mutex_);
  ++version_;
  has_map_ = true;
  map_ = ToBuffer(map);
  for (Watcher* watcher : watchers_) Serve(watcher);
}

void ShardWatchers::Withdraw() {
  const std::lock_guard lock(mutex_);
  has_map_ = false;
  for (Watcher* watcher : std::set<Watcher*>(watchers_)) Serve(watcher);
}

void ShardWatchers::Serve(Watcher* watcher) {
  if (watcher->writing_) return;
  if (!has_map_) {
    watchers_.erase(watcher);
    watcher->call_.Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "it knows no shard map now"),
                          watcher->finish_.Start());
    return;
  }
  if (watcher->written_version_ == version_) return;
  watcher->writing_ = true;
  watcher->written_version_ = version_;
  watcher->call_.Write(map_, watcher->write_.Start());
}

}  // namespace dormouse
