// Who a gateway's stream belongs to (LinkStream::context): gets what arrives on it, on the loop's thread.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

namespace dormouse {

class StreamUser {
 public:
  virtual void OnMessage(const grpc::ByteBuffer& message) = 0;
  virtual void OnClosed(const grpc::Status& status) = 0;

 protected:
  ~StreamUser() = default;
};

}  // namespace dormouse
