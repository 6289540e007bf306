// Who may ask. Immutable; any thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <utility>

#include "common/operator_key.h"

namespace dormouse {

class AdminGate {
 public:
  explicit AdminGate(std::optional<OperatorKey> key) : key_(std::move(key)) {}

  // OK, or UNAUTHENTICATED with a sentence that says what to do.
  grpc::Status Check(const grpc::ServerContext& context) const;

 private:
  const std::optional<OperatorKey> key_;
};

}  // namespace dormouse
