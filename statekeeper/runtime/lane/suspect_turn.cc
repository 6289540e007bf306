#include "statekeeper/runtime/lane/suspect_turn.h"

namespace dormouse {

bool SuspectTurn::Ask(const void* who, std::function<void()> given) {
  const std::scoped_lock lock(mutex_);
  if (has_it_ != nullptr) {
    asking_.emplace_back(who, std::move(given));
    return false;
  }
  has_it_ = who;
  return true;
}

void SuspectTurn::Next() {
  has_it_ = nullptr;
  if (asking_.empty()) return;
  has_it_ = asking_.front().first;
  const std::function<void()> given = std::move(asking_.front().second);
  asking_.pop_front();
  given();
}

void SuspectTurn::GiveBack() {
  const std::scoped_lock lock(mutex_);
  Next();
}

void SuspectTurn::Leave(const void* who) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(asking_, [who](const auto& each) { return each.first == who; });
  if (has_it_ == who) Next();
}

}  // namespace dormouse
