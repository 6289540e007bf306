// wait-replicas: answers are held back until WAIT says that enough replicas have what was written before them. Held only
// behind commands that changed something.
//
// While replicas are lacking one WAIT after the other is under way, and the server never waits: other commands would
// have to. What was written before such an answer stays unconfirmed, and what only reads may pass.
//
// Commands and answers of a connection are counted from its readiness on. Pure logic: who owns it sends and answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {

class ReplicaWaits {
 public:
  // `replicas`: how many have to confirm; 0: answers wait for nobody.
  explicit ReplicaWaits(int replicas) : replicas_(replicas) {}

  // Commands are sent that may have changed something; so many there are now.
  void OnChange(uint64_t commands) {
    last_change_ = commands;
    sent_since_wait_ = true;
  }
  // Whether a WAIT is due behind what has been sent since the last.
  bool IsDue() { return replicas_ > 0 && std::exchange(sent_since_wait_, false) && !lacking_; }
  // The WAIT, which is sent as that command.
  std::string Wait(uint64_t number);
  // Whether that answer is one of a WAIT's.
  bool IsAnswer(uint64_t number);
  bool is_under_way() const { return !waits_.empty(); }

  // The answer to that WAIT: so many have confirmed. Whether they are enough.
  bool OnConfirmed(int64_t replicas, uint64_t wait);
  // Fewer than enough have confirmed, and nothing since then says more; also over connections that follow.
  bool is_lacking() const { return lacking_; }
  // Something was sent while they were lacking, and no WAIT is behind it.
  bool MustAskAgain() const { return waits_.empty() && last_change_ > confirmed_; }

  // Whether an answer that has come has to wait.
  bool MustHold() const { return replicas_ > 0 && (!held.empty() || last_change_ > confirmed_); }
  // Those that do, in order; null: it was taken early.
  std::deque<RedisReply> held;

  // The connection has ended.
  void Forget();

 private:
  const int replicas_;
  std::deque<uint64_t> waits_;  // which commands without an answer are WAITs
  uint64_t last_change_ = 0;    // the number of the last command that may have changed something, + 1
  uint64_t confirmed_ = 0;      // replicas have what all commands before this number have changed
  bool sent_since_wait_ = false;
  bool lacking_ = false;
};

}  // namespace dormouse
