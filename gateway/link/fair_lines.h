// The events of connections that have much under way to one lane: a line for each connection, in which they
// wait to be numbered. Lines take turns by bytes (deficit round robin), so that who sends much waits behind
// himself, and not others behind him; every other turn is for one that has just formed. A connection's events
// stay in order.
//
// Plain data; one thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "common/shard.h"
#include "proto/packed.h"

namespace dormouse {

class FairLines {
 public:
  // What a line may send in its turn.
  static constexpr size_t kTurnBytes = 64u << 10;

  // An event, with what its view would point to.
  struct Waiting {
    EventView event;  // hub and payload: of the strings, as of view()
    std::string hub;
    std::string payload;

    EventView view() const;
    // What it is counted as, here.
    size_t bytes() const { return sizeof(*this) + hub.size() + payload.size(); }
  };

  bool empty() const { return lines_.empty(); }
  bool Has(uint64_t connection) const { return !lines_.empty() && lines_.contains(connection); }
  // Takes a copy, behind the others of its connection. Returns its bytes().
  size_t Append(const EventView& event);
  // Whose turn it is. Not when empty.
  Waiting Next();
  // All of one connection, in order, out of turn; none if it has no line.
  std::deque<Waiting> Take(uint64_t connection);
  // Lines of a shard that has gone to another lane move there.
  void Move(ShardId shard, FairLines* to);

 private:
  struct Line {
    ShardId shard = 0;
    uint64_t number = 0;       // of all that ever formed here
    size_t left = kTurnBytes;  // of its turn
    std::deque<Waiting> events;
  };

  void Form(uint64_t connection, Line* line);

  absl::flat_hash_map<uint64_t, Line> lines_;  // by connection; none is empty
  struct Turn {
    uint64_t connection;
    uint64_t number;  // of its line; where that is gone, it is passed over
  };
  // In their order. New lines have had none yet.
  std::deque<Turn> new_;
  std::deque<Turn> old_;
  uint64_t formed_ = 0;
  bool new_had_turn_ = false;
};

}  // namespace dormouse
