#include "statekeeper/ownership/readiness.h"

#include <fmt/format.h>

#include <utility>

namespace dormouse {

void Readiness::Update(const Facts& facts) {
  std::string reason = Judge(facts);
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
  store_ = facts.store;
}

StoreReport Readiness::store_report() const {
  const std::lock_guard lock(mutex_);
  return store_;
}

std::string Readiness::NotReady() const {
  const std::lock_guard lock(mutex_);
  return not_ready_;
}

std::string Readiness::Judge(const Facts& facts) {
  if (!facts.lease_is_good)
    return "it cannot reach the store, which others can; its shards are theirs meanwhile";
  if (facts.is_suspect) {
    return fmt::format("the other statekeepers cannot reach it at {}, so it is to own nothing",
                       facts.address);
  }
  if (facts.state == MemberState::kJoining) return "it is joining the cluster";
  was_complete_ |= facts.is_complete;
  if (!was_complete_) return "it does not serve all its shards yet";
  if (!facts.store_is_unsafe.empty()) return std::string(facts.store_is_unsafe);
  if (facts.own_store_fails) return "the store's file cannot be used; see the log";
  return "";
}

}  // namespace dormouse
