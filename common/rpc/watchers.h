// Streams of a server that tell what is new: each gets the newest message when it comes and whenever there is
// a newer one. A slow one skips messages.
//
// Threading: Publish and Withdraw from any thread, the rest on the completion thread. The object outlives the
// completion thread.
#pragma once

#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <utility>

#include "common/rpc/completion_thread.h"
#include "common/rpc/request_call.h"

namespace google::protobuf {
class MessageLite;
}

namespace dormouse {

class Watchers {
 public:
  using Call = grpc::ServerAsyncWriter<grpc::ByteBuffer>;
  using Request = RequestCall<grpc::ByteBuffer, Call>;
  // Whether this one is taken: OK, or why not.
  using Admit = std::function<grpc::Status(const grpc::ByteBuffer& request)>;

  // `refusal`: as if Withdraw had been called with it. OK: watchers wait for the first message.
  explicit Watchers(grpc::Status refusal) : refusal_(std::move(refusal)) {}

  // Takes watchers until the server shuts down.
  void Accept(CompletionThread* thread, Request request_call, Admit admit);

  void Publish(const google::protobuf::MessageLite& message);
  // There is nothing to tell until the next Publish: ends all streams, and refuses them, for this reason.
  void Withdraw(const grpc::Status& refusal);

 private:
  class Watcher;

  // Gives it what it lacks, or ends it. With mutex_ held.
  void Serve(Watcher* watcher);

  std::mutex mutex_;
  grpc::Status refusal_;
  uint64_t version_ = 0;  // counts Publish calls
  grpc::ByteBuffer message_;
  std::set<Watcher*> watchers_;
};

}  // namespace dormouse
