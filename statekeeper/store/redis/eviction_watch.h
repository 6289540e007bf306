// Whether a server drops keys when its memory is full (maxmemory-policy), and state and connections with them: asked for
// when a connection is made, and every few seconds while it is there.
//
// On the loop's thread. A part of a connection, whose commands are counted (replica_waits.h).
#pragma once

#include <ev++.h>
#include <hiredis/hiredis.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>

namespace dormouse {

class EvictionWatch {
 public:
  // `ask` sends INFO memory, and says which command that is.
  EvictionWatch(struct ev_loop* loop, std::function<uint64_t()> ask) : ask_(std::move(ask)), timer_(loop) {
    timer_.set<EvictionWatch, &EvictionWatch::OnTimer>(this);
  }

  void Start();
  void Stop();
  // Whether that answer is one of its own; then it is Learned.
  bool IsAnswer(uint64_t number);
  void Learn(const redisReply& memory, const std::string& address);

  // See RedisCalls::eviction.
  const std::string& warning() const { return warning_; }

 private:
  void OnTimer(ev::timer&, int) { asked_.push_back(ask_()); }

  const std::function<uint64_t()> ask_;
  ev::timer timer_;
  std::deque<uint64_t> asked_;  // which commands without an answer
  std::string warning_;
};

}  // namespace dormouse
