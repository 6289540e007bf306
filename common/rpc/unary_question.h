// A unary call to another process, on a completion queue.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/completion_thread.h"

namespace dormouse {

template <typename Reply>
class UnaryQuestion final : public std::enable_shared_from_this<UnaryQuestion<Reply>> {
 public:
  // On the completion thread, once, however the call ends.
  using Done = std::function<void(const grpc::Status& status, Reply* reply)>;

  // `start(context, queue)`: AsyncNAME of a stub, which may go after that. The context lasts until `done` has
  // returned.
  template <typename Start>
  static void Ask(CompletionThread* thread, std::unique_ptr<grpc::ClientContext> context, const Start& start,
                  Done done) {
    auto question = std::make_shared<UnaryQuestion>(thread, std::move(context), std::move(done));
    // Of a stub or of its interface.
    question->reader_.reset(start(question->context_.get(), question->user_.queue()).release());
    question->reader_->Finish(&question->reply_, &question->status_, question->finish_.Start());
  }

  UnaryQuestion(CompletionThread* thread, std::unique_ptr<grpc::ClientContext> context, Done done)
      : user_(thread), done_(std::move(done)), context_(std::move(context)) {}

 private:
  void Finished(bool) { done_(status_, &reply_); }

  CompletionThread::User user_;
  const Done done_;
  const std::unique_ptr<grpc::ClientContext> context_;
  Operation<UnaryQuestion> finish_{this, &UnaryQuestion::Finished};
  Reply reply_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncResponseReaderInterface<Reply>> reader_;
};

}  // namespace dormouse
