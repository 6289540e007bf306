// What the messages of each connection may cost their hub in processor time: an account each, which fills up
// by `connection-cpu` a second and holds no more than that.
//
// Most connections have no account: one is opened by the first message that takes a millisecond, and goes
// when it is full again. Together they fill up by half a second a second at most, in equal shares, and not
// while the hub works for one of them: however many ask for costly things, half of the hub's time is for
// those that do not.
//
// One lane's thread. Not durable: a hub that has slept owes nobody a pause.
#pragma once

#include <chrono>
#include <unordered_map>

#include "common/ids.h"

namespace dormouse {

class Allowances {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::duration;

  // Zero: nothing is counted.
  explicit Allowances(Time per_second) : per_second_(per_second) {}

  // Whether there is anything to ask or to tell: mostly there is not, and no need to know the time.
  bool empty() const { return accounts_.empty(); }
  bool Counts(Time used) const { return used >= kWorthCounting || !accounts_.empty(); }

  // How long the connection's next message has to wait; zero: it may be handled.
  Time Wait(const ConnectionId& connection, Clock::time_point now);
  // A message of the connection, handled from `began` to `now`, took so much of that.
  void Charge(const ConnectionId& connection, Time used, Clock::time_point began, Clock::time_point now);
  void Forget(const ConnectionId& connection) { accounts_.erase(connection); }

  size_t accounts() const { return accounts_.size(); }

 private:
  struct Account {
    Time left;
    Clock::time_point as_of;
  };
  static constexpr std::chrono::milliseconds kWorthCounting{1};

  // By which each account fills up in a second.
  Time Rate() const;
  void Fill(Account* account, Clock::time_point now) const;

  Time per_second_;
  std::unordered_map<ConnectionId, Account> accounts_;
};

}  // namespace dormouse
