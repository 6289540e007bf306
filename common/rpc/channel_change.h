// Waits until the connection of a channel has come or gone, on a completion queue.
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/completion_thread.h"

namespace dormouse {

class ChannelChange final : public std::enable_shared_from_this<ChannelChange> {
 public:
  // On the completion thread, once.
  using Done = std::function<void()>;

  // `done`: the state is not `seen` any more, or `patience` is over.
  static void Await(CompletionThread* thread, std::shared_ptr<grpc::Channel> channel,
                    grpc_connectivity_state seen, std::chrono::milliseconds patience, Done done) {
    auto change = std::make_shared<ChannelChange>(thread, std::move(channel), std::move(done));
    change->channel_->NotifyOnStateChange(seen, std::chrono::system_clock::now() + patience,
                                          change->user_.queue(), change->changed_.Start());
  }

  ChannelChange(CompletionThread* thread, std::shared_ptr<grpc::Channel> channel, Done done)
      : user_(thread), channel_(std::move(channel)), done_(std::move(done)) {}

 private:
  void Changed(bool) { done_(); }

  CompletionThread::User user_;
  const std::shared_ptr<grpc::Channel> channel_;
  const Done done_;
  Operation<ChannelChange> changed_{this, &ChannelChange::Changed};
};

}  // namespace dormouse
