// What was written to sockets and is not confirmed to be with their clients, of all connections whose class
// wants it kept (Unconfirmed has that of one): kept within a part of the memory for output, and forgotten
// when the client confirms it. Beyond that part the oldest are dropped, and only counted.
//
// On the loop's thread.
#pragma once

#include <list>
#include <string_view>

#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class KeptOutput {
 public:
  // `budget` outlives this.
  explicit KeptOutput(OutboundBudget* budget) : budget_(budget) {}
  KeptOutput(const KeptOutput&) = delete;
  KeptOutput& operator=(const KeptOutput&) = delete;

  // A returnable message was written whole. True: it is time to ask the client whether it has it.
  bool Keep(Connection* connection, OutboundQueue::Frame frame);
  // A whole message of the client came. True: as above.
  bool OnMessage(Connection* connection);
  // A pong, of whatever payload. True: it answers a question of ours.
  bool OnPong(Connection* connection, std::string_view payload);
  void Forget(Connection* connection);
  // As another process had it; frames follow (Unconfirmed::RestoreFrame).
  void Restore(Connection* connection, const takeover::Kept& from);

  bool IsOverBudget() const {
    return budget_->kept > budget_->limit / kKeptPart || budget_->answered > budget_->limit / kAnsweredPart ||
           budget_->memory > budget_->limit;
  }
  // Drops the oldest, of all connections by turns, until there is room again or nothing left.
  void DropToBudget();

 private:
  // What part of the memory for output is for this.
  static constexpr uint64_t kKeptPart = 4;
  // And what part for that of it which clients' machines have answered for: so much comes back at once where
  // a gateway stops that serves busy clients, or their network does.
  static constexpr uint64_t kAnsweredPart = 32;

  OutboundBudget* const budget_;
  std::list<Connection*> connections_;  // who has had something here for longest comes first
};

}  // namespace dormouse::edge
