// A message that comes in pieces, as long as it is not whole. What all of them hold together is bounded by a
// budget. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse {

// Memory that the partial messages of all sockets may take, and what they take. Outlives them.
struct PartialBudget {
  uint64_t limit = 0;
  uint64_t used = 0;
};

class PartialMessage {
 public:
  PartialMessage(PartialBudget* budget, int64_t now_ms) : budget_(budget), started_ms_(now_ms) {}
  ~PartialMessage() { budget_->used -= held_; }
  PartialMessage(const PartialMessage&) = delete;
  PartialMessage& operator=(const PartialMessage&) = delete;

  // False: there is no memory left for it; nothing was taken.
  bool Append(std::string_view piece) {
    const size_t size = bytes_.size() + piece.size();
    if (size > held_) {
      // Grows as a string does, but asks first. Never by what a frame's header promises.
      const uint64_t wanted = std::max<uint64_t>(size, 2 * held_);
      if (budget_->used - held_ + wanted > budget_->limit) return false;
      budget_->used += wanted - held_;
      held_ = wanted;
      bytes_.reserve(wanted);
    }
    bytes_.append(piece);
    size_ += piece.size();
    return true;
  }
  // It is too large: this piece, and what came before, is counted and not kept.
  void Skip(std::string_view piece) {
    size_ += piece.size();
    budget_->used -= held_;
    held_ = 0;
    std::string().swap(bytes_);
  }

  const std::string& bytes() const { return bytes_; }
  uint64_t size() const { return size_; }  // of what came, skipped or not
  // SteadyMs() of the first piece, or of when its socket was read again after a pause of our making.
  int64_t started_ms() const { return started_ms_; }
  void Restart(int64_t now_ms) { started_ms_ = now_ms; }

 private:
  PartialBudget* budget_;
  int64_t started_ms_;
  uint64_t size_ = 0;
  uint64_t held_ = 0;  // of the budget
  std::string bytes_;
};

}  // namespace dormouse
