#include "statekeeper/store/redis/refusal_watch.h"

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis/redis_errors.h"

namespace dormouse {
namespace {

constexpr double kSeconds = 3;
constexpr double kSecondsWhileRefused = 1;
constexpr int64_t kSuspicionIntervalMs = 1'000;  // commands that are wrong themselves may be many

}  // namespace

void RefusalWatch::Start() { timer_.start(0, refusal_.empty() ? kSeconds : kSecondsWhileRefused); }

void RefusalWatch::Stop() {
  timer_.stop();
  asked_.reset();
}

bool RefusalWatch::IsAnswer(uint64_t number) {
  if (asked_ != number) return false;
  asked_.reset();
  return true;
}

void RefusalWatch::Suspect() {
  const int64_t now_ms = SteadyMs();
  if (!refusal_.empty() || (suspected_ms_ != 0 && now_ms - suspected_ms_ < kSuspicionIntervalMs)) return;
  suspected_ms_ = now_ms;
  timer_.start(0, kSeconds);
}

void RefusalWatch::Refused(std::string_view error) {
  const bool is_news = refusal_.empty();
  refusal_ = WithoutArguments(error);
  if (!is_news) return;
  SPDLOG_ERROR("Redis at {} refuses changes: {}", server_, refusal_);
  timer_.start(kSecondsWhileRefused, kSecondsWhileRefused);
}

void RefusalWatch::Taken() {
  if (refusal_.empty()) return;
  SPDLOG_INFO("Redis at {} takes changes again", server_);
  refusal_.clear();
  timer_.start(kSeconds, kSeconds);
}

void RefusalWatch::OnTimer(ev::timer&, int) {
  if (!asked_) asked_ = ask_();
}

}  // namespace dormouse
