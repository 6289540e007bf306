// The open connections of this gateway, by slot of a slab that never moves them.
//
// A connection's handle (ConnectionId::handle, what the cluster calls it) is its slot (24 bits) and how often
// the slot was used (38 bits), scrambled by a keyed permutation so that ids neither look sequential nor tell
// how many sockets there are. So a handle is found without a hash map, and a stale one finds nothing.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/edge/sockets/connection.h"
#include "gateway/takeover/state_writer.h"
#include "proto/takeover.pb.h"

namespace dormouse::edge {

// A permutation of 62-bit numbers, chosen by the key.
class HandleScrambler {
 public:
  explicit HandleScrambler(uint64_t key) : key_(key) {}
  uint64_t key() const { return key_; }
  uint64_t Scramble(uint64_t bits62) const;
  uint64_t Unscramble(uint64_t bits62) const;

 private:
  uint64_t key_;
};

class ConnectionTable {
 public:
  explicit ConnectionTable(uint64_t key) : scrambler_(key) {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  // A fresh connection with its handle set; nullptr when all 2^24 slots are taken.
  Connection* Allocate();
  void Free(Connection* connection);
  // nullptr: no such connection now.
  Connection* Find(uint64_t handle);
  size_t size() const { return size_; }

  // Walks over all of them (only for what concerns all, such as a drain). `visit` must not allocate or free.
  void ForEach(const std::function<void(Connection*)>& visit);

  // --- For this process's successor, which never uses a handle of this one's again. How often slots were used
  // that nobody has:
  void SaveSlots(takeover::StateWriter* writer);
  uint64_t key() const { return scrambler_.key(); }
  // Of a fresh one: the key, then the slots, then connections by their handles, then the end of it.
  void Restore(uint64_t key) { scrambler_ = HandleScrambler(key); }
  void RestoreSlots(const takeover::Slots& slots);
  // nullptr: that cannot be.
  Connection* RestoreConnection(uint64_t handle);
  void FinishRestoring();

 private:
  static constexpr int kSlotBits = 24;
  static constexpr size_t kSlotsPerPage = 256;
  struct Slot {
    uint64_t generation = 0;
    uint32_t next_free = 0;
    std::optional<Connection> connection;
  };
  Slot& slot(uint32_t index) { return pages_[index / kSlotsPerPage][index % kSlotsPerPage]; }

  HandleScrambler scrambler_;
  std::vector<std::unique_ptr<Slot[]>> pages_;
  uint32_t used_ = 0;  // slots from here on were never used
  uint32_t free_ = kNone;
  size_t size_ = 0;
  static constexpr uint32_t kNone = ~uint32_t{0};
};

}  // namespace dormouse::edge
