#include "statekeeper/runtime/lane/lane_requests.h"

#include <utility>

namespace dormouse {

bool LaneRequests::Post(Request request) {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [this] { return closed_ || waiting_.size() < kMost; });
  return Add(std::move(request));
}

bool LaneRequests::TryPost(Request request) {
  const std::scoped_lock lock(mutex_);
  return waiting_.size() < kMost && Add(std::move(request));
}

bool LaneRequests::Add(Request request) {
  if (closed_) return false;
  waiting_.push_back(std::move(request));
  if (waiting_.size() == 1) wake_.Send();
  return true;
}

void LaneRequests::Close() {
  std::vector<Request> given_up;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    given_up.swap(waiting_);
  }
  taken_.notify_all();
}

void LaneRequests::Run() {
  std::vector<Request> requests;
  {
    const std::scoped_lock lock(mutex_);
    requests.swap(waiting_);
  }
  taken_.notify_all();
  for (const Request& request : requests) request();
}

}  // namespace dormouse
