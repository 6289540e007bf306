#include "statekeeper/hub_calls.h"

#include <utility>

namespace dormouse {

void HubCalls::Call(std::string hub, std::string payload, int64_t /*timeout_ms*/, Done done) {
  const auto answer = [done](HubRequest::Outcome outcome, std::string text) {
    switch (outcome) {
      case HubRequest::Outcome::kAnswered:
        return done({.payload = std::move(text), .failure = {}});
      case HubRequest::Outcome::kFailed:
      case HubRequest::Outcome::kNoClass:
        return done({.payload = {}, .failure = std::move(text)});
      case HubRequest::Outcome::kStore:
      case HubRequest::Outcome::kNotOwner:
        return done({.payload = {}, .failure = std::move(text), .retryable = true});
    }
  };
  if (!shards_->CallHub(hub, std::move(payload), answer))
    done({.payload = {}, .failure = "This statekeeper is too busy", .retryable = true});
}

}  // namespace dormouse
