// What a lane said of a hub, as the caller is told.
#pragma once

#include <fmt/format.h>
#include <grpcpp/support/status.h>

#include <string_view>

#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

// `what`: "Hub signal/default", "Shard 7".
inline grpc::Status ToGrpc(OperatorStatus status, std::string_view what) {
  using grpc::StatusCode;
  switch (status) {
    case OperatorStatus::kOk:
      return grpc::Status::OK;
    case OperatorStatus::kNotOwner:
      return {StatusCode::ABORTED, fmt::format("{} is changing hands.", what)};
    case OperatorStatus::kNoSuchHub:
      return {StatusCode::NOT_FOUND,
              fmt::format("{} is not known: there is no such class, or nothing was ever "
                          "sent to it.",
                          what)};
    case OperatorStatus::kBusy:
      return {StatusCode::DEADLINE_EXCEEDED, fmt::format("{} did not come to rest in time.", what)};
    case OperatorStatus::kCrowded:
      return {StatusCode::ABORTED, fmt::format("{}: its statekeeper has too much to do right now.", what)};
    case OperatorStatus::kStore:
      break;
  }
  return {StatusCode::FAILED_PRECONDITION,
          fmt::format("{}: the store does not answer; /readyz of the statekeepers says more.", what)};
}

}  // namespace dormouse
