#include "gateway/edge/buffers/partial_message.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace dormouse::edge {
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
  const std::string_view fits = piece.substr(0, room_);
  const std::string_view rest = piece.substr(fits.size());
  uint64_t wanted = 0;
  if (!rest.empty()) {
    // Never by what a frame's header promises.
    wanted = std::max<uint64_t>(rest.size(), std::min(held_, kBlock));
    if (budget_->used_ + wanted > budget_->limit_) return false;
    budget_->used_ += wanted;
    held_ += wanted;
  }
  if (!fits.empty()) blocks_.back().append(fits);
  room_ -= fits.size();
  if (!rest.empty()) {
    if (blocks_.empty() || held_ > kGrowing) blocks_.emplace_back();
    std::string& block = blocks_.back();
    block.reserve(block.size() + wanted);
    block.append(rest);
    room_ = wanted - rest.size();
  }
  kept_ += piece.size();
  return true;
}

std::string PartialMessage::Take() {
  std::string whole;
  if (blocks_.size() == 1) {
    whole = std::move(blocks_.front());
  } else {
    whole.reserve(kept_);
    for (const std::string& block : blocks_) whole.append(block);
  }
  Release();
  return whole;
}

void PartialMessage::Skip(std::string_view piece, int64_t now_ms) {
  const uint64_t held = held_;
  const bool has_all = kept_ == size_;
  if (kept_ > kHead) {
    std::string head;
    for (size_t i = 0; head.size() < kHead; ++i) head.append(blocks_[i], 0, kHead - head.size());
    Release();
    Keep(head);
  } else if (has_all) {
    Keep(piece.substr(0, kHead - kept_));  // where there is no memory left, it does without
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
  held_ = kept_ = room_ = 0;
  std::vector<std::string>().swap(blocks_);
}

std::string PartialMessage::Copy() const {
  std::string whole;
  whole.reserve(kept_);
  for (const std::string& block : blocks_) whole.append(block);
  return whole;
}

void PartialMessage::Save(takeover::Partial* to) const {
  to->set_started_ms(started_ms_);
  to->set_size(size_);
  to->set_headway_ms(headway_ms_);
  to->set_headway_size(headway_size_);
}

void PartialMessage::Restore(const takeover::Partial& from, std::string_view kept) {
  const uint64_t limit = std::exchange(budget_->limit_, UINT64_MAX);
  for (; !kept.empty(); kept.remove_prefix(std::min<size_t>(kept.size(), kBlock)))
    Keep(kept.substr(0, kBlock));
  budget_->limit_ = limit;
  size_ = from.size();
  started_ms_ = from.started_ms();
  if (held_ > 0) MakeHeadway(from.headway_ms());
  headway_ms_ = from.headway_ms();
  headway_size_ = from.headway_size();
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

}  // namespace dormouse::edge
