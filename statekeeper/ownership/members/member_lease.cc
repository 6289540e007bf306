#include "statekeeper/ownership/members/member_lease.h"

#include <algorithm>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr Duration kProlonged{500};

}  // namespace

MemberLease::MemberLease(Duration member_ttl, bool shared, Duration silence, Lease* lease)
    : member_ttl_(member_ttl), shared_(shared), silence_(silence), lease_(lease) {}

void MemberLease::Renew(SteadyTime sent, bool in_time, SteadyTime now) {
  if (!shared_) return lease_->Renew(Lease::kForever);
  const bool is_first = renewed_ == SteadyTime();
  if (!is_first && (!in_time || now - renewed_ > member_ttl_ * 2 / 3)) {
    const Duration half = member_ttl_ / 2;
    SPDLOG_WARN("The last renewal was {} ms ago: nothing is taken from others that were late for {} ms",
                (now - renewed_).count(), half.count());
    no_force_before_ = now + half;
  }
  renewed_ = sent;
  ExtendTo(sent + member_ttl_ * 2 / 3);
}

void MemberLease::Prolong(SteadyTime now) {
  // After a pause nothing is known until the store, or the peers, had time to answer.
  if (shared_ && now - running_since_ > silence_) ExtendTo(now + kProlonged);
}

void MemberLease::ExtendTo(SteadyTime until) {
  until_ = std::max(until_, until);
  lease_->Renew(Milliseconds(until_));
}

}  // namespace dormouse
