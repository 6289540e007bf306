#include "statekeeper/runtime/lane/lane_requests.h"

#include <utility>

namespace dormouse {

LaneRequests::LaneRequests(struct ev_loop* loop) : loop_(loop) {
  ev_async_init(&wake_, &LaneRequests::OnWake);
  wake_.data = this;
  ev_async_start(loop_, &wake_);
}

LaneRequests::~LaneRequests() { ev_async_stop(loop_, &wake_); }

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
  if (waiting_.size() == 1) ev_async_send(loop_, &wake_);
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

void LaneRequests::OnWake(struct ev_loop*, ev_async* watcher, int) {
  auto* self = static_cast<LaneRequests*>(watcher->data);
  std::vector<Request> requests;
  {
    const std::scoped_lock lock(self->mutex_);
    requests.swap(self->waiting_);
  }
  self->taken_.notify_all();
  for (const Request& request : requests) request();
}

}  // namespace dormouse
