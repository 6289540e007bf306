// How much of what is asked of a damaged file fails: a part, or most of it. SQLite evens out the pages of a tree with
// their neighbours as rows come and go, so that more and more hubs come to need the page that cannot be read.
//
// Counted are shards, in the last minute: those for whose hubs something failed, and those for whose hubs all was
// done. So one hub that tries again and again counts once. Judged anew only by what is asked: a file of which nothing
// is asked any more is not better for that.
//
// Plain data; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "common/shard.h"

namespace dormouse {

class DamageShare {
 public:
  void Failed(ShardId shard, int64_t steady_ms);
  void Served(ShardId shard, int64_t steady_ms);
  // Whether it is most of it.
  bool IsMost(int64_t steady_ms);

 private:
  struct Times {
    int64_t failed_ms = 0;  // the last; 0: never
    int64_t served_ms = 0;
  };
  std::unordered_map<ShardId, Times> shards_;
  bool is_most_ = false;
  int64_t judged_ms_ = 0;
};

}  // namespace dormouse
