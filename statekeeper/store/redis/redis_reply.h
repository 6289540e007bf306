// Reading what hiredis makes of Redis' answers, and joining the answers of several commands to one.
#pragma once

#include <hiredis/hiredis.h>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "statekeeper/store/store.h"

namespace dormouse {

struct FreeRedisReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReply = std::unique_ptr<redisReply, FreeRedisReply>;

inline std::string_view Text(const redisReply& reply) { return {reply.str, reply.len}; }

inline std::span<const redisReply* const> Elements(const redisReply& reply) {
  return {const_cast<const redisReply* const*>(reply.element), reply.elements};
}

// Of commands sent one after another: the first failure counts.
template <typename Result>
struct Joined {
  size_t missing;
  StoreStatus status = StoreStatus::kOk;
  Result result{};
  std::function<void(StoreStatus, Result)> done;

  void Answer(StoreStatus answer) {
    if (status == StoreStatus::kOk) status = answer;
    if (--missing == 0) done(status, status == StoreStatus::kOk ? std::move(result) : Result{});
  }
};

struct Nothing {};

}  // namespace dormouse
