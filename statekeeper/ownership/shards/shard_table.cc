#include "statekeeper/ownership/shards/shard_table.h"

namespace dormouse {

bool ShardTable::Learn(const ShardEntry& entry) {
  if (entry.shard >= shards_.size()) return false;
  KnownShard& known = shards_[entry.shard];
  const KnownShard told{ParseMemberId(entry.owner), entry.epoch, ParseMemberId(entry.avoid)};
  if (told.epoch < known.epoch || told == known) return false;
  Set(entry.shard, told);
  return true;
}

ShardEntry ShardTable::Entry(ShardId shard) const {
  const KnownShard& known = shards_[shard];
  return {shard, known.epoch, PrintMemberId(known.owner), PrintMemberId(known.avoid)};
}

}  // namespace dormouse
