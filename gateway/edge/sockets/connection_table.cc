#include "gateway/edge/sockets/connection_table.h"

#include <algorithm>
#include <utility>

#include "common/ids.h"

namespace dormouse::edge {
namespace {

constexpr uint64_t kHalfMask = (uint64_t{1} << 31) - 1;
constexpr int kRounds = 4;
// In one item.
constexpr int kSavedSlots = 1'000;

uint64_t RoundOf(uint64_t half, uint64_t key, int round) {
  uint64_t x = half ^ (key + 0x9e37'79b9'7f4a'7c15u * static_cast<uint64_t>(round + 1));
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
  return (x >> 31) & kHalfMask;
}

}  // namespace

// A Feistel network over two halves of 31 bits: a permutation whatever its round function is.
uint64_t HandleScrambler::Scramble(uint64_t bits62) const {
  uint64_t left = bits62 >> 31;
  uint64_t right = bits62 & kHalfMask;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t next = left ^ RoundOf(right, key_, round);
    left = right;
    right = next;
  }
  return left << 31 | right;
}

uint64_t HandleScrambler::Unscramble(uint64_t bits62) const {
  uint64_t left = bits62 >> 31;
  uint64_t right = bits62 & kHalfMask;
  for (int round = kRounds - 1; round >= 0; --round) {
    const uint64_t previous = right ^ RoundOf(left, key_, round);
    right = left;
    left = previous;
  }
  return left << 31 | right;
}

Connection* ConnectionTable::Allocate() {
  uint32_t index = free_;
  if (index != kNone) {
    free_ = slot(index).next_free;
  } else {
    if (used_ == uint32_t{1} << kSlotBits) return nullptr;
    index = used_++;
    if (index % kSlotsPerPage == 0) pages_.push_back(std::make_unique<Slot[]>(kSlotsPerPage));
  }
  Slot& entry = slot(index);
  ++entry.generation;
  entry.connection.emplace();
  entry.connection->handle = UuidLow(scrambler_.Scramble(entry.generation << kSlotBits | index));
  ++size_;
  return &*entry.connection;
}

void ConnectionTable::Free(Connection* connection) {
  const auto index = static_cast<uint32_t>(scrambler_.Unscramble(UuidLowBits(connection->handle)) &
                                           ((uint64_t{1} << kSlotBits) - 1));
  Slot& entry = slot(index);
  entry.connection.reset();
  entry.next_free = free_;
  free_ = index;
  --size_;
}

Connection* ConnectionTable::Find(uint64_t handle) {
  const uint64_t bits = scrambler_.Unscramble(UuidLowBits(handle));
  const auto index = static_cast<uint32_t>(bits & ((uint64_t{1} << kSlotBits) - 1));
  if (index >= used_) return nullptr;
  Slot& entry = slot(index);
  if (!entry.connection.has_value() || entry.generation != bits >> kSlotBits) return nullptr;
  return entry.connection->handle == handle ? &*entry.connection : nullptr;
}

void ConnectionTable::ForEach(const std::function<void(Connection*)>& visit) {
  for (uint32_t index = 0; index < used_; ++index) {
    if (slot(index).connection.has_value()) visit(&*slot(index).connection);
  }
}

void ConnectionTable::SaveSlots(takeover::StateWriter* writer) {
  takeover::Item item;
  for (uint32_t index = 0; index < used_; ++index) {
    const auto& connection = slot(index).connection;
    if (connection.has_value() && connection->CanMove()) continue;
    item.mutable_slots()->add_index(index);
    item.mutable_slots()->add_generation(slot(index).generation);
    if (item.slots().index_size() < kSavedSlots) continue;
    item.mutable_slots()->set_used(used_);
    writer->Add(std::exchange(item, {}));
  }
  item.mutable_slots()->set_used(used_);
  writer->Add(std::move(item));
}

void ConnectionTable::RestoreSlots(const takeover::Slots& slots) {
  const uint32_t used = std::min(slots.used(), uint32_t{1} << kSlotBits);
  used_ = std::max(used_, used);
  while (pages_.size() * kSlotsPerPage < used_) pages_.push_back(std::make_unique<Slot[]>(kSlotsPerPage));
  for (int i = 0; i < std::min(slots.index_size(), slots.generation_size()); ++i) {
    if (slots.index(i) < used_) slot(slots.index(i)).generation = slots.generation(i);
  }
}

Connection* ConnectionTable::RestoreConnection(uint64_t handle) {
  const uint64_t bits = scrambler_.Unscramble(UuidLowBits(handle));
  const auto index = static_cast<uint32_t>(bits & ((uint64_t{1} << kSlotBits) - 1));
  if (index >= used_ || slot(index).connection.has_value()) return nullptr;
  Slot& entry = slot(index);
  entry.generation = bits >> kSlotBits;
  entry.connection.emplace();
  entry.connection->handle = handle;
  ++size_;
  return &*entry.connection;
}

void ConnectionTable::FinishRestoring() {
  free_ = kNone;
  for (uint32_t index = used_; index-- > 0;) {
    if (slot(index).connection.has_value()) continue;
    slot(index).next_free = free_;
    free_ = index;
  }
}

}  // namespace dormouse::edge
