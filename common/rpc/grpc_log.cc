#include "common/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <mutex>
#include <string_view>
#include <utility>

#include "common/log_limit.h"
#include "common/logging.h"

namespace dormouse {
namespace {

struct Catcher {
  std::mutex mutex;
  std::function<void()> on_failed_handshake;  // mutex
  LogLimit limit;
};

Catcher& OfProcess() {
  static auto* const catcher = new Catcher();  // gRPC's threads may outlive main
  return *catcher;
}

void Catch(gpr_log_func_args* line) {
  const std::string_view message = line->message;
  Catcher& catcher = OfProcess();
  if (message.starts_with("Handshake failed")) {
    const std::lock_guard lock(catcher.mutex);
    if (catcher.on_failed_handshake) catcher.on_failed_handshake();
  }
  uint64_t left_out = 0;
  if (catcher.limit.Take(&left_out)) SPDLOG_WARN("gRPC: {} ({} more before)", message, left_out);
}

void Set(std::function<void()> on_failed_handshake) {
  const std::lock_guard lock(OfProcess().mutex);
  OfProcess().on_failed_handshake = std::move(on_failed_handshake);
}

}  // namespace

GrpcLog::GrpcLog(std::function<void()> on_failed_handshake) {
  Set(std::move(on_failed_handshake));
  gpr_set_log_function(Catch);
}

GrpcLog::~GrpcLog() { Set(nullptr); }

}  // namespace dormouse
