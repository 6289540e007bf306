// The answer to one unary call. It can be given from any thread; the first counts. A call whose client has
// gone, or whose deadline has passed, has ended: whoever still works for it looks at ended(), and may answer
// to no effect.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <utility>

namespace dormouse {

template <typename Reply>
class AdminCall final : public grpc::ServerUnaryReactor {
 public:
  // `reply`: gRPC's. Keeps itself alive until gRPC is done with it.
  static std::shared_ptr<AdminCall> New(Reply* reply) {
    std::shared_ptr<AdminCall> call(new AdminCall(reply));
    call->self_ = call;
    return call;
  }

  void Answer(Reply reply) {
    if (ended_.exchange(true)) return;
    *reply_ = std::move(reply);
    Finish(grpc::Status::OK);
  }
  void Refuse(const grpc::Status& status) {
    if (!ended_.exchange(true)) Finish(status);
  }
  bool ended() const { return ended_; }

 private:
  explicit AdminCall(Reply* reply) : reply_(reply) {}

  void OnCancel() override { Refuse(grpc::Status::CANCELLED); }
  void OnDone() override { const auto self = std::move(self_); }

  Reply* const reply_;
  std::atomic<bool> ended_{false};
  std::shared_ptr<AdminCall> self_;
};

}  // namespace dormouse
