#include "statekeeper/link/server_stream.h"

#include <utility>

#include "common/rpc/stream_inbox.h"

namespace dormouse {

void ServerStream::Accept(CompletionThread* thread, Acceptor* acceptor) {
  const auto stream = std::make_shared<ServerStream>(thread, acceptor);
  acceptor->RequestCall(&stream->call_context_, &stream->call_, stream->queue(), stream->accept_.Start());
}

void ServerStream::End(const grpc::Status& why) {
  finish_status_ = why;
  FinishAfterWrite();
}

void ServerStream::Accepted(bool ok) {
  if (!ok) return;  // the server shuts down
  Accept(thread_, acceptor_);
  Begin(nullptr);
}

void ServerStream::OnFirstMessage(const grpc::ByteBuffer& message) {
  grpc::Status status;
  auto owner = acceptor_->FindInbox(message, &status);
  if (owner == nullptr) {
    End(status);
  } else {
    set_inbox(std::move(owner));
  }
}

void ServerStream::OnReadEnd() {
  call_context_.TryCancel();  // so that a write in flight ends too
  Closed(grpc::Status(grpc::StatusCode::CANCELLED, "the stream broke"));
}

void ServerStream::Finished(bool) { call_context_.TryCancel(); }  // so that the read in flight ends too

}  // namespace dormouse
