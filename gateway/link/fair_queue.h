// The events of connections that have much under way to one lane: a flow for each connection, in which they
// wait to be numbered. Flows take turns by bytes (deficit round robin), so that who sends much waits behind
// himself, and not others behind him; every other turn is for one that has just formed. A connection's events
// stay in order.
//
// What comes back from sockets waits here, too: of each it is known which batch must not be acknowledged
// before it was sent.
//
// Plain data; one thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "common/shard.h"
#include "gateway/link/shared_tail.h"
#include "proto/packed.h"

namespace dormouse {

class FairQueue {
 public:
  // What a flow may send in its turn.
  static constexpr size_t kTurnBytes = 64u << 10;

  // An event, with what its view would point to.
  struct Waiting {
    EventView event;  // hub and payload: of the strings, as of view()
    std::string hub;
    std::string payload;
    SharedTail tail = {};  // of the payload
    uint64_t before = 0;   // of the lane's batches, the one that it must be sent before; 0: none

    EventView view() const;
    // Memory that it is counted as, here.
    size_t bytes() const { return own() + (tail.counts ? tail.size : 0); }
    // What it takes of its flow's turn.
    size_t cost() const { return own() + tail.size; }

   private:
    size_t own() const { return sizeof(*this) + hub.size() + payload.size(); }
  };

  bool empty() const { return flows_.empty(); }
  bool Has(uint64_t connection) const { return !flows_.empty() && flows_.contains(connection); }
  // Takes a copy, behind the others of its connection; `before`: as Waiting's. Returns its bytes().
  size_t Append(const EventView& event, SharedTail tail = {}, uint64_t before = 0);
  // Whose turn it is. Not when empty.
  Waiting Next();
  // Flows of a shard that has gone to another lane move there; what has to be sent before a batch, from now
  // on before `before`.
  void Move(ShardId shard, FairQueue* to, uint64_t before);
  // The batches are numbered anew: the same for all that is here.
  void Renumber(uint64_t before);
  // All that waits, for this process's successor: who appends it there in this order has it as it is here, but
  // for the turns that flows have had.
  void ForEach(absl::FunctionRef<void(const Waiting&)> visit) const;
  // The first batch that something here must be sent before.
  std::optional<uint64_t> first_before() const;

 private:
  struct Flow {
    ShardId shard = 0;
    uint64_t number = 0;       // of all that ever formed here
    size_t left = kTurnBytes;  // of its turn
    std::deque<Waiting> events;
  };

  void Form(uint64_t connection, Flow* flow);
  void SetBefore(Flow* flow, uint64_t before);  // of the returns in it
  void Uncount(uint64_t before);

  absl::flat_hash_map<uint64_t, Flow> flows_;  // by connection; none is empty
  struct Turn {
    uint64_t connection;
    uint64_t number;  // of its flow; where that is gone, it is passed over
  };
  // In their order. New flows have had none yet.
  std::deque<Turn> new_;
  std::deque<Turn> old_;
  uint64_t formed_ = 0;
  std::map<uint64_t, size_t> before_;  // how many there are by Waiting::before, if any
  bool new_had_turn_ = false;
};

}  // namespace dormouse
