// The errors of the protocol: hub:error {code, message, resolution, details}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse::signal {

enum class ErrorCode {
  kVersionMismatch,
  kUnauthorized,
  kRateLimited,
  kUnknownActor,
  kMessageTooLarge,
  kMessageExpired,
  kTimeout,
  kInternalError,  // also for requests that no other code describes: a frame that is no envelope, a bad
                   // payload
  kInvalidToken,
  kBroadcastLimitExceeded,
};

// As clients know it: "version_mismatch".
std::string_view ErrorName(ErrorCode code);

// What happened, and what the author of the client can do about it, in one line. An empty resolution takes
// the usual one of the code. `details`: a JSON object.
struct HubError {
  ErrorCode code = ErrorCode::kInternalError;
  std::string message;
  std::string resolution = {};
  std::string details = "{}";

  std::string ToPayload() const;
};

// rate_limited, for a limit on what a hub or a session may keep or do: `code` names it.
HubError LimitError(std::string_view code, int64_t limit, std::string message, std::string resolution);

// rate_limited, for a session whose messages cost the hub too much: `limit` milliseconds a second.
HubError CostError(int64_t limit, int64_t retry_after_ms);

}  // namespace dormouse::signal
