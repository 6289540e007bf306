// The statekeeper's end of a Link stream.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>

#include "common/rpc/grpc_stream.h"

namespace dormouse {

class ServerStream final : public GrpcStream {
 public:
  using Call = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  // What a server does for its streams, on the completion thread; outlives them.
  class Acceptor {
   public:
    virtual ~Acceptor() = default;
    // Has gRPC put the next stream that a gateway opens into these.
    virtual void RequestCall(grpc::ServerContext* context, Call* call, grpc::CompletionQueue* queue,
                             void* tag) = 0;
    // Whose stream it is, by its first message; nullptr: nobody's, and `*status` says why.
    virtual std::shared_ptr<StreamInbox> FindInbox(const grpc::ByteBuffer& first_message,
                                                   grpc::Status* status) = 0;
  };

  // Waits for a stream, and when it is there for the next one, until the server shuts down.
  static void Accept(CompletionThread* thread, Acceptor* acceptor);

  ServerStream(CompletionThread* thread, Acceptor* acceptor)
      : GrpcStream(thread), thread_(thread), acceptor_(acceptor), call_(&call_context_) {}

  void End(const grpc::Status& why) override;
  void Abort() override { call_context_.TryCancel(); }

 private:
  void Accepted(bool ok);
  void Finished(bool ok);

  void StartRead(grpc::ByteBuffer* message, void* tag) override { call_.Read(message, tag); }
  void StartWrite(const grpc::ByteBuffer& message, void* tag) override { call_.Write(message, tag); }
  void OnReadEnd() override;
  void OnFirstMessage(const grpc::ByteBuffer& message) override;
  void OnFinish() override { call_.Finish(finish_status_, finish_.Start()); }

  CompletionThread* const thread_;
  Acceptor* const acceptor_;
  grpc::Status finish_status_;
  Operation<ServerStream> accept_{this, &ServerStream::Accepted};
  Operation<ServerStream> finish_{this, &ServerStream::Finished};
  grpc::ServerContext call_context_;
  Call call_;
};

}  // namespace dormouse
