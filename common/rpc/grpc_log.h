// What gRPC itself has to say goes to our log as long as this object is there, one line a second at most:
// strangers can make it say things. One at a time, made in main.
#pragma once

#include <functional>

namespace dormouse {

class GrpcLog {
 public:
  // `on_failed_handshake`: somebody at a port did not get through the handshake of TLS, or somebody that this
  // process called; any thread, not after this object. gRPC tells of that in its log only. May be nullptr.
  explicit GrpcLog(std::function<void()> on_failed_handshake);
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace dormouse
