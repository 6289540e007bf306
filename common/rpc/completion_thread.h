// The one thread of a process that serves gRPC's completion queue: it waits for operations of streams to end
// and runs what belongs to each. Whatever runs there must be short: it moves messages, loops do the work.
#pragma once

#include <grpcpp/completion_queue.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace dormouse {

// The tag of an operation. `ok` as gRPC defines it for the operation: false when it failed for good.
class Completion {
 public:
  virtual void Complete(bool ok) = 0;

 protected:
  ~Completion() = default;
};

// gRPC sees to it that what happened before an operation was started is visible where it ends. Debian's build
// does so unseen by ThreadSanitizer, which needs to be told. Nothing in other builds.
void TellSanitizerStart(void* tag);

// A tag for one kind of operation of `Target`, which it keeps alive while the operation is in flight.
template <typename Target>
class Operation final : public Completion {
 public:
  Operation(Target* target, void (Target::*done)(bool ok)) : target_(target), done_(done) {}

  void* Start() {
    alive_ = target_->shared_from_this();
    void* const tag = static_cast<Completion*>(this);
    TellSanitizerStart(tag);
    return tag;
  }
  // gRPC will never report it.
  void Abandon() { alive_.reset(); }

  void Complete(bool ok) override {
    const auto alive = std::move(alive_);
    (target_->*done_)(ok);
  }

 private:
  Target* const target_;
  void (Target::*const done_)(bool ok);
  std::shared_ptr<void> alive_;
};

class CompletionThread {
 public:
  explicit CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue);
  // Waits until every User is gone (see that their operations end first), then stops the queue and the
  // thread.
  ~CompletionThread();
  CompletionThread(const CompletionThread&) = delete;
  CompletionThread& operator=(const CompletionThread&) = delete;

  grpc::CompletionQueue* queue() { return queue_.get(); }

  // Held by everything that may start operations: gRPC aborts where one is started on a stopped queue.
  class User {
   public:
    explicit User(CompletionThread* thread);
    ~User();
    User(const User&) = delete;
    User& operator=(const User&) = delete;

    grpc::CompletionQueue* queue() { return thread_->queue(); }

   private:
    CompletionThread* const thread_;
  };

 private:
  void Run();

  const std::unique_ptr<grpc::CompletionQueue> queue_;
  std::mutex mutex_;
  std::condition_variable unused_;
  int users_ = 0;
  std::thread thread_;
};

}  // namespace dormouse
