#include "proto/completion_thread.h"

#include <utility>

namespace dormouse {

CompletionThread::CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue)
    : queue_(std::move(queue)), thread_([this] { Run(); }) {}

CompletionThread::~CompletionThread() {
  {
    std::unique_lock lock(mutex_);
    unused_.wait(lock, [this] { return users_ == 0; });
  }
  queue_->Shutdown();
  thread_.join();
}

void CompletionThread::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Completion*>(tag)->Complete(ok);
}

CompletionThread::User::User(CompletionThread* thread) : thread_(thread) {
  const std::lock_guard lock(thread_->mutex_);
  ++thread_->users_;
}

CompletionThread::User::~User() {
  const std::lock_guard lock(thread_->mutex_);
  if (--thread_->users_ == 0) thread_->unused_.notify_all();
}

}  // namespace dormouse
