#include "statekeeper/link/lane_entrance.h"

#include <utility>

namespace dormouse {

LaneEntrance::LaneEntrance(struct ev_loop* loop, std::shared_ptr<StreamInbox> inbox,
                           FramedStream::Admit admit)
    : inbox_(std::move(inbox)), admit_(std::move(admit)), tasks_(loop) {}

bool LaneEntrance::Put(std::unique_ptr<StreamBytes>* bytes, std::string received) {
  if (waiting_.fetch_add(1) >= kMaxWaiting) {
    --waiting_;
    return false;
  }
  // Tasks can be copied, what they hold cannot.
  const auto stream = std::make_shared<std::pair<std::unique_ptr<StreamBytes>, std::string>>(
      std::move(*bytes), std::move(received));
  tasks_.Post([this, stream] {
    --waiting_;
    FramedStream::Serve(std::move(stream->first), std::move(stream->second), inbox_, admit_);
  });
  return true;
}

}  // namespace dormouse
