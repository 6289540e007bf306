#include "statekeeper/store/redis/refusal_watch.h"

#include <utility>

#include "common/logging.h"
#include "statekeeper/store/redis/redis_errors.h"

namespace dormouse {
namespace {

constexpr double kProbeSeconds = 1;

}  // namespace

RefusalWatch::RefusalWatch(struct ev_loop* loop, std::string server, std::function<void()> probe)
    : server_(std::move(server)), probe_(std::move(probe)), timer_(loop) {
  timer_.set<RefusalWatch, &RefusalWatch::OnTimer>(this);
}

void RefusalWatch::Refused(std::string_view error) {
  if (refusal_.empty()) SPDLOG_ERROR("Redis at {} refuses changes: {}", server_, error);
  refusal_ = error;
  if (!timer_.is_active()) timer_.start(kProbeSeconds, kProbeSeconds);
}

void RefusalWatch::Probed(bool taken) {
  probing_ = false;
  if (!taken || refusal_.empty()) return;
  SPDLOG_INFO("Redis at {} takes changes again", server_);
  refusal_.clear();
  timer_.stop();
}

void RefusalWatch::OnTimer(ev::timer&, int) {
  if (!std::exchange(probing_, true)) probe_();
}

}  // namespace dormouse
