#include "statekeeper/store/redis/eviction_watch.h"

#include <fmt/format.h>

#include "statekeeper/store/redis/redis_handshake.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

constexpr double kSeconds = 5;

}  // namespace

void EvictionWatch::Start() { timer_.start(kSeconds, kSeconds); }

void EvictionWatch::Stop() {
  timer_.stop();
  asked_.clear();
}

bool EvictionWatch::IsAnswer(uint64_t number) {
  if (asked_.empty() || asked_.front() != number) return false;
  asked_.pop_front();
  return true;
}

// volatile-... drops keys that have a time to live, as none of ours has.
void EvictionWatch::Learn(const redisReply& memory, const std::string& address) {
  const std::string_view policy = InfoField(Text(memory), "maxmemory_policy");
  warning_ = policy.starts_with("allkeys-")
                 ? fmt::format(
                       "Redis at {} drops keys when its memory is full (maxmemory-policy {}), and with them "
                       "state and connections: set maxmemory-policy noeviction there",
                       address, policy)
                 : "";
}

}  // namespace dormouse
