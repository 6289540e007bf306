// A unary call that a server has taken, to be answered from any thread.
//
//   AcceptUnary --completion thread--> handler --UnaryCall--> whoever knows the answer
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/completion_thread.h"
#include "common/rpc/request_call.h"

namespace dormouse {

// The first answer counts. A call whose client has gone, whose deadline has passed, or whose server has shut
// down has ended: whoever still works for it looks at ended(), and may answer to no effect. It keeps nothing
// alive: neither the call nor the server wait for whoever holds it.
template <typename Reply>
class UnaryCall {
 public:
  // gRPC's side.
  class Responder {
   public:
    virtual void Respond(const grpc::Status& status, const Reply& reply) = 0;
    virtual bool ended() const = 0;

   protected:
    ~Responder() = default;
  };

  explicit UnaryCall(std::weak_ptr<Responder> responder) : responder_(std::move(responder)) {}

  void Answer(const Reply& reply) { Respond(grpc::Status::OK, reply); }
  void Refuse(const grpc::Status& status) { Respond(status, Reply()); }
  bool ended() const {
    const auto responder = responder_.lock();
    return responder == nullptr || responder->ended();
  }

 private:
  void Respond(const grpc::Status& status, const Reply& reply) {
    if (const auto responder = responder_.lock()) responder->Respond(status, reply);
  }

  const std::weak_ptr<Responder> responder_;
};

template <typename Request, typename Reply>
struct UnaryMethod {
  RequestCall<Request, grpc::ServerAsyncResponseWriter<Reply>> request_call;
  // On the completion thread, where it must not take long; the first two are good until it returns.
  std::function<void(const grpc::ServerContext& context, const Request& request,
                     std::shared_ptr<UnaryCall<Reply>> call)>
      handle;
};

// Alive while the call is: from being asked for to its end.
template <typename Request, typename Reply>
class UnaryResponder final : public UnaryCall<Reply>::Responder,
                             public std::enable_shared_from_this<UnaryResponder<Request, Reply>> {
 public:
  using Method = std::shared_ptr<const UnaryMethod<Request, Reply>>;

  UnaryResponder(CompletionThread* thread, Method method)
      : user_(thread), thread_(thread), method_(std::move(method)), writer_(&context_) {}

  void Listen() {
    context_.AsyncNotifyWhenDone(done_.Start());
    method_->request_call(&context_, &request_, &writer_, user_.queue(), accept_.Start());
  }

  void Respond(const grpc::Status& status, const Reply& reply) override {
    if (ended_.exchange(true)) return;
    if (status.ok()) {
      writer_.Finish(reply, status, finish_.Start());
    } else {
      writer_.FinishWithError(status, finish_.Start());
    }
  }
  bool ended() const override { return ended_; }

 private:
  void Accepted(bool ok) {
    if (!ok) {  // the server shuts down
      done_.Abandon();
      return;
    }
    std::make_shared<UnaryResponder>(thread_, method_)->Listen();
    method_->handle(context_, request_, std::make_shared<UnaryCall<Reply>>(this->weak_from_this()));
  }
  void Finished(bool) {}
  void Done(bool) { ended_ = true; }

  CompletionThread::User user_;
  CompletionThread* const thread_;
  const Method method_;
  std::atomic<bool> ended_{false};
  Operation<UnaryResponder> accept_{this, &UnaryResponder::Accepted};
  Operation<UnaryResponder> finish_{this, &UnaryResponder::Finished};
  Operation<UnaryResponder> done_{this, &UnaryResponder::Done};
  Request request_;
  grpc::ServerContext context_;
  grpc::ServerAsyncResponseWriter<Reply> writer_;
};

// Takes calls until the server shuts down. `request`: RequestNAME of `service`, gRPC's AsyncService;
// `handle`: as in UnaryMethod. The service and what `handle` uses outlive the completion thread.
template <typename Service, typename Base, typename Request, typename Reply, typename Handle>
void AcceptUnary(CompletionThread* thread, Service* service,
                 void (Base::*request)(grpc::ServerContext*, Request*,
                                       grpc::ServerAsyncResponseWriter<Reply>*, grpc::CompletionQueue*,
                                       grpc::ServerCompletionQueue*, void*),
                 Handle handle) {
  auto method = std::make_shared<UnaryMethod<Request, Reply>>();
  method->request_call = RequestCallOf(service, request);
  method->handle = std::move(handle);
  std::make_shared<UnaryResponder<Request, Reply>>(thread, std::move(method))->Listen();
}

}  // namespace dormouse
