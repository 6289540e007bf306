// What a connection did that sends more than its rate limit allows: how often it is told so, and when it has
// gone too far. Made for a connection at its first refused message. A value; one thread.
#pragma once

#include <cstdint>

#include "gateway/edge/rules/rate_limiter.h"
#include "proto/takeover.pb.h"

namespace dormouse::edge {

class RateLimitViolations {
 public:
  // One more message over a limit of `rate` per second. True: it is abuse. For ten seconds or more the
  // connection has sent ten times as much as it may, and it goes on.
  bool Record(double rate, int64_t now_ms) {
    const int64_t elapsed_ms = now_ms - since_ms_;
    if (since_ms_ == 0 || elapsed_ms >= 2 * kPatienceMs) {  // a new offence
      since_ms_ = now_ms;
      refused_ = 0;
    }
    ++refused_;
    return now_ms - since_ms_ >= kPatienceMs &&
           static_cast<double>(refused_) >= kAbuse * rate * static_cast<double>(now_ms - since_ms_) / 1000;
  }

  // Whether it hears of this one. A client that stops soon gets an answer to each message.
  bool MayReply(int64_t now_ms) { return replies_.TryAcquire(kRepliesPerSecond, kReplyBurst, now_ms); }

  // For this process's successor.
  void Save(takeover::Violations* to) const {
    to->set_since_ms(since_ms_);
    to->set_refused(refused_);
    replies_.Save(to->mutable_replies());
  }
  void Restore(const takeover::Violations& from) {
    since_ms_ = from.since_ms();
    refused_ = from.refused();
    replies_.Restore(from.replies());
  }

 private:
  static constexpr int64_t kPatienceMs = 10'000;
  static constexpr double kAbuse = 10;  // times the limit
  static constexpr double kRepliesPerSecond = 5;
  static constexpr uint32_t kReplyBurst = 100;

  int64_t since_ms_ = 0;  // 0: never
  uint64_t refused_ = 0;  // since then
  RateLimiter replies_;
};

}  // namespace dormouse::edge
