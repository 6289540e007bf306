#include "statekeeper/runtime/hub/allowances.h"

#include <algorithm>

namespace dormouse {
namespace {

// What all accounts of a hub get in a second.
constexpr std::chrono::milliseconds kForAll{500};
// A connection's debt: what it has cost beyond that is forgiven.
constexpr std::chrono::seconds kMostDebt{1};

}  // namespace

Allowances::Time Allowances::Rate() const {
  return std::max<Time>(std::min<Time>(per_second_, kForAll / std::max<size_t>(accounts_.size(), 1)),
                        std::chrono::microseconds(1));
}

void Allowances::Fill(Account* account, Clock::time_point now) const {
  const auto seconds = std::chrono::duration<double>(now - account->as_of);
  const auto more = std::chrono::duration_cast<Time>(Rate() * seconds.count());
  account->left = std::min(per_second_, account->left + more);
  account->as_of = now;
}

Allowances::Time Allowances::Wait(const ConnectionId& connection, Clock::time_point now) {
  const auto account = accounts_.find(connection);
  if (account == accounts_.end()) return {};
  Fill(&account->second, now);
  if (account->second.left > Time::zero()) return {};
  const double seconds =
      std::chrono::duration<double>(-account->second.left) / std::chrono::duration<double>(Rate());
  return std::chrono::duration_cast<Time>(std::chrono::duration<double>(seconds)) +
         std::chrono::milliseconds(1);
}

void Allowances::Charge(const ConnectionId& connection, Time used, Clock::time_point began,
                        Clock::time_point now) {
  if (per_second_ == Time::zero()) return;
  auto account = accounts_.find(connection);
  if (account == accounts_.end()) {
    if (used < kWorthCounting) return;
    account = accounts_.emplace(connection, Account{per_second_, now}).first;
  }
  account->second.left = std::max<Time>(account->second.left - used, -kMostDebt);
  // No account fills up meanwhile: on a machine that is short of processors, too, they share what is left of
  // the time.
  for (auto& [other, each] : accounts_) each.as_of = std::min(each.as_of + (now - began), now);
  if (used < kWorthCounting) return;
  // Few as they are, looking at all costs less than the message did.
  for (auto each = accounts_.begin(); each != accounts_.end();) {
    Fill(&each->second, now);
    each = each->second.left >= per_second_ ? accounts_.erase(each) : std::next(each);
  }
}

}  // namespace dormouse
