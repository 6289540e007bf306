// The gateway's end of a stream that gRPC carries: any method of service Edge, called with one first message.
// Both of its methods are used alike: a method that only streams answers just gets no second message.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

#include "common/rpc/grpc_stream.h"
#include "common/rpc/link_channel.h"

namespace dormouse {

class ClientStream final : public GrpcStream {
 public:
  // Opens a stream. Its arrivals come to `inbox`; when it cannot be opened, that is Arrival::kClosed.
  static std::shared_ptr<ClientStream> Open(CompletionThread* thread, const LinkChannel& channel,
                                            const std::string& method, const grpc::ByteBuffer& first_message,
                                            std::shared_ptr<StreamInbox> inbox);

  ClientStream(CompletionThread* thread, const LinkChannel& channel, const std::string& method,
               const grpc::ByteBuffer& first_message, std::shared_ptr<StreamInbox> inbox);

  void End(const grpc::Status&) override { Abort(); }
  void Abort() override { call_context_.TryCancel(); }

 private:
  void Opened(bool ok);
  void Finished(bool ok);

  void StartRead(grpc::ByteBuffer* message, void* tag) override { call_->Read(message, tag); }
  void StartWrite(const grpc::ByteBuffer& message, void* tag) override { call_->Write(message, tag); }
  void OnReadEnd() override { call_->Finish(&finish_status_, finish_.Start()); }

  grpc::GenericStub stub_;
  grpc::ByteBuffer first_message_;
  grpc::Status finish_status_;
  Operation<ClientStream> open_{this, &ClientStream::Opened};
  Operation<ClientStream> finish_{this, &ClientStream::Finished};
  grpc::ClientContext call_context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

}  // namespace dormouse
