#include "gateway/edge/partial_message.h"

#include <algorithm>
#include <bit>

namespace dormouse {
namespace {

// As much as this, or as much again as there was, is headway. Less is a trickle.
constexpr uint64_t kHeadway = 4'096;

}  // namespace

bool PartialMessage::Append(std::string_view piece, int64_t now_ms) {
  const uint64_t held = held_;
  if (!Keep(piece)) return false;
  size_ += piece.size();
  if (held_ > held || size_ - headway_size_ >= kHeadway) MakeHeadway(now_ms);
  return true;
}

bool PartialMessage::Keep(std::string_view piece) {
  const size_t size = bytes_.size() + piece.size();
  if (size > held_) {
    // Grows as a string does, but asks first. Never by what a frame's header promises.
    const uint64_t wanted = std::max<uint64_t>(size, 2 * held_);
    if (budget_->used_ - held_ + wanted > budget_->limit_) return false;
    budget_->used_ += wanted - held_;
    held_ = wanted;
    bytes_.reserve(wanted);
  }
  bytes_.append(piece);
  return true;
}

void PartialMessage::Skip(std::string_view piece, int64_t now_ms) {
  const uint64_t held = held_;
  const bool has_all = bytes_.size() == size_;
  if (bytes_.size() > kHead) {
    const std::string head(bytes_, 0, kHead);
    Release();
    std::string().swap(bytes_);
    Keep(head);
  } else if (has_all) {
    Keep(piece.substr(0, kHead - bytes_.size()));  // where there is no memory left, it does without
  }
  size_ += piece.size();
  if (held_ > 0 && (held_ != held || size_ - headway_size_ >= kHeadway)) MakeHeadway(now_ms);
}

void PartialMessage::Restart(int64_t now_ms) {
  started_ms_ = now_ms;
  if (is_linked()) MakeHeadway(now_ms);
}

double PartialMessage::Cost(int64_t now_ms) const {
  const auto still = static_cast<double>(now_ms - headway_ms_ + 1);
  return static_cast<double>(held_) * still * still;
}

void PartialMessage::MakeHeadway(int64_t now_ms) {
  headway_ms_ = now_ms;
  headway_size_ = size_;
  unlink();
  budget_->by_size_[std::bit_width(held_)].push_back(*this);
}

void PartialMessage::Release() {
  unlink();
  budget_->used_ -= held_;
  held_ = 0;
}

PartialMessage* PartialBudget::Costliest(int64_t now_ms) {
  PartialMessage* costliest = nullptr;
  for (List& list : by_size_) {
    if (list.empty()) continue;
    PartialMessage* first = &list.front();
    if (costliest == nullptr || first->Cost(now_ms) > costliest->Cost(now_ms)) costliest = first;
  }
  return costliest;
}

}  // namespace dormouse
