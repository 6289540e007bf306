#include "gateway/link/client_stream.h"

#include <utility>

namespace dormouse {

std::shared_ptr<ClientStream> ClientStream::Open(CompletionThread* thread, const LinkChannel& channel,
                                                 const std::string& method,
                                                 const grpc::ByteBuffer& first_message,
                                                 std::shared_ptr<StreamInbox> inbox) {
  auto stream = std::make_shared<ClientStream>(thread, channel, method, first_message, std::move(inbox));
  stream->call_->StartCall(stream->open_.Start());
  return stream;
}

ClientStream::ClientStream(CompletionThread* thread, const LinkChannel& channel, const std::string& method,
                           const grpc::ByteBuffer& first_message, std::shared_ptr<StreamInbox> inbox)
    : GrpcStream(thread), stub_(channel.grpc()), first_message_(first_message) {
  channel.Authorize(&call_context_);
  set_inbox(std::move(inbox));
  call_ = stub_.PrepareCall(&call_context_, method, queue());
}

void ClientStream::Opened(bool ok) {
  if (ok) {
    Begin(&first_message_);
  } else {
    OnReadEnd();
  }
  first_message_.Clear();
}

void ClientStream::Finished(bool) { Closed(std::move(finish_status_)); }

}  // namespace dormouse
