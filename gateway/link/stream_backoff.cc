#include "gateway/link/stream_backoff.h"

#include <algorithm>

namespace dormouse {
namespace {

constexpr int64_t kFirstRetryMs = 50;
constexpr int64_t kRetryMs = 200;
// Disagreements: how often a stream is opened just to go on, how long it takes until the next after those,
// and how long one must have lived for those before it to be forgotten.
constexpr uint32_t kContinuations = 1;
constexpr int64_t kDisagreementMs = 1000;
constexpr uint32_t kMaxDoublings = 5;
constexpr int64_t kSoundMs = 60'000;

}  // namespace

void StreamBackoff::Greeted(int64_t now_ms) {
  attempts_ = 0;
  greeted_at_ms_ = now_ms;
}

void StreamBackoff::Broke(int64_t now_ms) {
  open_at_ms_ = now_ms + (attempts_ <= 1 ? kFirstRetryMs : kRetryMs);
}

bool StreamBackoff::Disagreed(int64_t now_ms, bool greeted) {
  if (greeted && now_ms - greeted_at_ms_ >= kSoundMs) disagreements_ = 0;
  const uint32_t before = disagreements_++;
  open_at_ms_ = now_ms + (before <= kContinuations
                              ? kFirstRetryMs  // the first times cost nothing
                              : kDisagreementMs << std::min(before - kContinuations - 1, kMaxDoublings));
  return disagreements_ > kContinuations;
}

}  // namespace dormouse
