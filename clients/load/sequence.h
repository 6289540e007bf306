// The replies to one connection's numbered requests: each has to come once, in the order of the requests.
// Needs nothing but a few bytes where all is well. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace dormouse::load {

class Sequence {
 public:
  enum class Found {
    kNext,     // as it should be
    kEarly,    // one before it has not come yet: it may still come late, or be missing
    kLate,     // one after it has come before
    kDoubled,  // it had come already
    kUnasked,  // no request has that number
  };

  // The number of the next request.
  uint32_t Ask() { return asked_++; }

  Found Take(uint32_t number) {
    if (number >= asked_) return Found::kUnasked;
    if (number < next_) return Found::kDoubled;
    if (number > next_) {
      if (!early_) early_ = std::make_unique<std::vector<uint32_t>>();
      if (std::ranges::find(*early_, number) != early_->end()) return Found::kDoubled;
      early_->push_back(number);
      return Found::kEarly;
    }
    ++next_;
    if (!early_) return Found::kNext;
    while (std::erase(*early_, next_) > 0) ++next_;
    if (early_->empty()) early_.reset();
    return Found::kLate;
  }

  uint32_t asked() const { return asked_; }
  // Requests without a reply.
  uint32_t outstanding() const {
    return asked_ - next_ - (early_ ? static_cast<uint32_t>(early_->size()) : 0);
  }

  // Nobody waits for what is outstanding any more: the socket was lost.
  void Forget() {
    next_ = asked_;
    early_.reset();
  }

 private:
  uint32_t next_ = 0;
  uint32_t asked_ = 0;
  std::unique_ptr<std::vector<uint32_t>> early_;  // came before next_
};

}  // namespace dormouse::load
