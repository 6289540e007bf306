#include "statekeeper/admin/hub_closer.h"

#include <fmt/format.h>

#include <utility>

#include "statekeeper/admin/operator_status.h"

namespace dormouse {
namespace {

constexpr size_t kClosingAtOnce = 64;
constexpr size_t kListedAtOnce = 1000;

}  // namespace

HubCloser::HubCloser(LaneOperator* operators, std::vector<ShardId> shards, std::string owner, Call call)
    : operators_(operators), shards_(std::move(shards)), call_(std::move(call)) {
  reply_.set_owner(std::move(owner));
  reply_.set_shards(static_cast<uint32_t>(shards_.size()));
}

void HubCloser::Go() {
  {
    const std::lock_guard lock(mutex_);
    again_ = true;
    if (going_) return;
    going_ = true;
  }
  // One at a time, and not from within itself: answers may come before a question returns.
  while (true) {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      step = NextStep();
      if (step == Step::kWait && !std::exchange(again_, false)) {
        going_ = false;
        return;
      }
    }
    if (step == Step::kList) List();
    if (step == Step::kClose) Close();
    if (step == Step::kEnd) return End();  // and goes no more
  }
}

HubCloser::Step HubCloser::NextStep() const {
  const bool stopping = !failure_.ok() || call_->ended();
  if (!stopping && !found_.empty()) return closing_ < kClosingAtOnce ? Step::kClose : Step::kWait;
  if (!stopping && !listing_ && shard_ < shards_.size()) return Step::kList;
  return listing_ || closing_ > 0 ? Step::kWait : Step::kEnd;
}

void HubCloser::List() {
  ShardId shard;
  std::string after;
  {
    const std::lock_guard lock(mutex_);
    listing_ = true;
    shard = shards_[shard_];
    after = after_;
  }
  operators_->ListHubs(
      shard, std::move(after), kListedAtOnce,
      [self = shared_from_this(), shard](OperatorStatus status, const std::vector<HubSummary>& hubs) {
        self->Listed(shard, status, hubs);
      });
}

void HubCloser::Listed(ShardId shard, OperatorStatus status, const std::vector<HubSummary>& hubs) {
  {
    const std::lock_guard lock(mutex_);
    listing_ = false;
    if (status != OperatorStatus::kOk) failure_ = ToGrpc(status, fmt::format("Shard {}", shard));
    for (const HubSummary& hub : hubs) found_.push_back(hub.hub);
    if (hubs.size() < kListedAtOnce) {
      ++shard_;
      after_.clear();
    } else {
      after_ = hubs.back().hub;
    }
  }
  Go();
}

void HubCloser::Close() {
  std::string hub;
  {
    const std::lock_guard lock(mutex_);
    hub = std::move(found_.front());
    found_.pop_front();
    ++closing_;
  }
  operators_->CloseHub(
      hub, [self = shared_from_this(), hub](OperatorStatus status) { self->Closed(hub, status); });
}

void HubCloser::Closed(const std::string& hub, OperatorStatus status) {
  {
    const std::lock_guard lock(mutex_);
    --closing_;
    if (status == OperatorStatus::kOk) {
      reply_.set_hubs(reply_.hubs() + 1);
    } else if (status != OperatorStatus::kNoSuchHub) {  // it ended by itself
      failure_ = ToGrpc(status, "Hub " + hub);
    }
  }
  Go();
}

void HubCloser::End() {
  if (failure_.ok()) {
    call_->Answer(reply_);
    return;
  }
  call_->Refuse({failure_.error_code(), fmt::format("{} {} hubs were closed before that.",
                                                    failure_.error_message(), reply_.hubs())});
}

}  // namespace dormouse
