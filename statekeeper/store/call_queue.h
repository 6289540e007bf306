// The calls of one Store that have no answer yet, oldest first, with the deadlines and bounds that store.h
// promises; both implementations keep theirs here.
//
// All calls have the same timeout, so deadlines are in order and one timer does. When the oldest call's
// deadline passes, every call in the queue fails, not only that one: a later call may build on what an
// earlier one was to write, and must not be carried out without it. For the same reason a queue that was full
// takes nothing new until it has been empty.
//
// Call must have: size_t bytes() const; void Fail(StoreStatus).
#pragma once

#include <ev++.h>

#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "statekeeper/store/store.h"

namespace dormouse {

template <typename Call>
class CallQueue {
 public:
  static constexpr size_t kMaxBytes = 64u << 20;

  // `on_expiry` runs just before calls fail because of a deadline; the queue is still whole then. Queues that
  // share one bound share `total_bytes`.
  CallQueue(struct ev_loop* loop, Duration timeout, std::function<void()> on_expiry,
            size_t* total_bytes = nullptr)
      : total_bytes_(total_bytes == nullptr ? &bytes_ : total_bytes),
        timeout_ms_(timeout.count()),
        on_expiry_(std::move(on_expiry)),
        timer_(loop) {
    timer_.set<CallQueue, &CallQueue::OnTimer>(this);
    timer_.priority = EV_MINPRI;  // answers that have arrived already go first
  }
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // False: there is no room; the call fails with kUnavailable in the loop's next turn.
  bool Push(Call call) {
    full_ = full_ || (*total_bytes_ > 0 && *total_bytes_ + call.bytes() > kMaxBytes);
    if (full_) {
      rejected_.push_back({std::move(call), 0});
    } else {
      Count(call.bytes());
      calls_.push_back({std::move(call), SteadyMs() + timeout_ms_});
    }
    Arm();
    return !full_;
  }

  bool empty() const { return calls_.empty(); }
  size_t size() const { return calls_.size(); }
  const Call& operator[](size_t i) const { return calls_[i].call; }
  Call& operator[](size_t i) { return calls_[i].call; }

  Call PopFront() {
    Call call = std::move(calls_.front().call);
    calls_.pop_front();
    Count(0 - call.bytes());
    full_ = full_ && !(calls_.empty() && rejected_.empty());
    return call;
  }

 private:
  struct Entry {
    Call call;
    int64_t deadline_ms;
  };

  void Count(size_t bytes) {
    bytes_ += bytes;
    if (total_bytes_ != &bytes_) *total_bytes_ += bytes;
  }

  // The timer is left alone while calls come and go; when it fires early it is set to the oldest deadline
  // then.
  void Arm() {
    if (!rejected_.empty()) {
      timer_.stop();
      timer_.start(0);
    } else if (!calls_.empty() && !timer_.is_active()) {
      const int64_t left_ms = calls_.front().deadline_ms - SteadyMs();
      timer_.start(left_ms > 0 ? static_cast<double>(left_ms) / 1000 : 0);
    }
  }

  void OnTimer(ev::timer&, int) {
    std::deque<Entry> failed;
    if (!calls_.empty() && calls_.front().deadline_ms <= SteadyMs()) {
      on_expiry_();
      failed.swap(calls_);
      Count(0 - bytes_);
    }
    std::move(rejected_.begin(), rejected_.end(), std::back_inserter(failed));
    rejected_.clear();
    full_ = full_ && !calls_.empty();
    Arm();
    const std::weak_ptr<char> alive = alive_;
    for (Entry& entry : failed) {
      entry.call.Fail(StoreStatus::kUnavailable);
      if (alive.expired()) return;  // the callback destroyed the store: the others' do not run
    }
  }

  size_t bytes_ = 0;  // of calls_
  size_t* const total_bytes_;
  const int64_t timeout_ms_;
  const std::function<void()> on_expiry_;
  std::deque<Entry> calls_;
  std::deque<Entry> rejected_;  // until the timer fails them
  bool full_ = false;
  ev::timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dormouse
