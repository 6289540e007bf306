#include "statekeeper/store/redis/replica_waits.h"

#include "statekeeper/store/redis/redis_command.h"

namespace dormouse {
namespace {

// For what was written to come to the replicas.
constexpr int kTimeoutMs = 500;
constexpr int kLackingTimeoutMs = 1;

}  // namespace

std::string ReplicaWaits::Wait(uint64_t number) {
  waits_.push_back(number);
  return RedisCommand("WAIT", std::to_string(replicas_),
                      std::to_string(lacking_ ? kLackingTimeoutMs : kTimeoutMs));
}

bool ReplicaWaits::IsAnswer(uint64_t number) {
  if (waits_.empty() || waits_.front() != number) return false;
  waits_.pop_front();
  return true;
}

bool ReplicaWaits::OnConfirmed(int64_t replicas, uint64_t wait) {
  lacking_ = replicas < replicas_;
  if (!lacking_) confirmed_ = wait;
  return !lacking_;
}

void ReplicaWaits::Forget() {
  last_change_ = 0;
  confirmed_ = 0;
  waits_.clear();
  held.clear();
  sent_since_wait_ = false;
}

}  // namespace dormouse
