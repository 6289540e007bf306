#include "statekeeper/classes/signal/protocol/errors.h"

#include <algorithm>
#include <utility>

#include "common/json/json_writer.h"

namespace dormouse::signal {
namespace {

// Seconds after which it is worth asking again whether there is room: some registrations will have expired.
constexpr int64_t kRetryFullAfter = 60;

struct Description {
  std::string_view name;
  std::string_view resolution;
};

Description Describe(ErrorCode code) {
  switch (code) {
    case ErrorCode::kVersionMismatch:
      return {"version_mismatch",
              R"(Send hub:connect with payload.version "1.0", or with metadata.protocolVersion "0.1.0".)"};
    case ErrorCode::kUnauthorized:
      return {"unauthorized", "Act only for addresses that this session registered."};
    case ErrorCode::kRateLimited:
      return {"rate_limited", "Wait for details.retryAfter seconds, then send more slowly."};
    case ErrorCode::kUnknownActor:
      return {"unknown_actor",
              "Look with hub:discover who is registered; registrations expire unless renewed."};
    case ErrorCode::kMessageTooLarge:
      return {"message_too_large", "Send less at once: details.maxSize is the largest size in bytes."};
    case ErrorCode::kMessageExpired:
      return {"message_expired", "Send it again with a current timestamp, or with a larger ttl or null."};
    case ErrorCode::kTimeout:
      return {"timeout", "Whether a change was made is not known yet. Send the message again in a moment."};
    case ErrorCode::kInternalError:
      return {"internal_error", "Send the message again; if it fails again, report it with its id."};
    case ErrorCode::kInvalidToken:
      return {"invalid_token", "Use a token that this hub issued to this session."};
    case ErrorCode::kBroadcastLimitExceeded:
      return {"BROADCAST_LIMIT_EXCEEDED",
              "Narrow the recipients with metadata.targetCapability, or publish to a topic."};
  }
  return {};
}

}  // namespace

std::string_view ErrorName(ErrorCode code) { return Describe(code).name; }

std::string HubError::ToPayload() const {
  const Description usual = Describe(code);
  return JsonWriter()
      .String("code", usual.name)
      .String("message", message)
      .String("resolution", resolution.empty() ? usual.resolution : resolution)
      .Raw("details", details)
      .Finish();
}

HubError CostError(int64_t limit, int64_t retry_after_ms) {
  return {ErrorCode::kRateLimited, "This session's messages have cost the hub too much time of late.",
          "Wait for details.retryAfter seconds; ask for less at once, or less often. details.limit is the "
          "time in "
          "milliseconds that a session may cost in a second.",
          JsonWriter()
              .Int("retryAfter", std::max<int64_t>((retry_after_ms + 999) / 1000, 1))
              .Int("limit", limit)
              .String("code", "CPU_LIMIT")
              .Finish()};
}

HubError LimitError(std::string_view code, int64_t limit, std::string message, std::string resolution) {
  return {ErrorCode::kRateLimited, std::move(message), std::move(resolution),
          JsonWriter().Int("retryAfter", kRetryFullAfter).Int("limit", limit).String("code", code).Finish()};
}

}  // namespace dormouse::signal
