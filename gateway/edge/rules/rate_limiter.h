// A rate limiter in 16 bytes: how many messages a connection may send now. A token bucket: it holds a burst,
// and is filled at the rate. A value; one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "proto/takeover.pb.h"

namespace dormouse::edge {

class RateLimiter {
 public:
  // Whether one more is allowed. `rate` per second, `burst` at most; a new one allows the burst.
  bool TryAcquire(double rate, uint32_t burst, int64_t now_ms) {
    const double full = std::max<double>(burst, 1);
    tokens_ = updated_ms_ == 0
                  ? full
                  : std::min(full, tokens_ + rate * static_cast<double>(now_ms - updated_ms_) / 1000);
    updated_ms_ = now_ms;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  // Milliseconds until one is allowed, as of the last TryAcquire; rounded up, at least 1.
  int64_t RetryAfterMs(double rate) const {
    return std::max<int64_t>(1, static_cast<int64_t>(std::ceil((1 - tokens_) / rate * 1000)));
  }

  // For this process's successor.
  void Save(takeover::Bucket* to) const {
    to->set_tokens(tokens_);
    to->set_updated_ms(updated_ms_);
  }
  void Restore(const takeover::Bucket& from) {
    tokens_ = from.tokens();
    updated_ms_ = from.updated_ms();
  }

 private:
  double tokens_ = 0;
  int64_t updated_ms_ = 0;  // 0: never used
};

static_assert(sizeof(RateLimiter) == 16);

}  // namespace dormouse::edge
