#include "gateway/edge/outbound/kept_output.h"

#include <memory>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {

bool KeptOutput::Keep(Connection* connection, OutboundQueue::Frame frame) {
  const KeptOutputLimits& limits = connection->hub_class->rules().kept;
  if (limits.messages == 0) return false;
  if (connection->unconfirmed == nullptr) {
    connection->unconfirmed = std::make_unique<Unconfirmed>(budget_);
    connection->unconfirmed->place = connections_.insert(connections_.end(), connection);
  }
  return connection->unconfirmed->Add(std::move(frame), limits, SteadyMs());
}

void KeptOutput::Restore(Connection* connection, const takeover::Kept& from) {
  connection->unconfirmed = std::make_unique<Unconfirmed>(budget_);
  connection->unconfirmed->place = connections_.insert(connections_.end(), connection);
  connection->unconfirmed->Restore(from);
}

bool KeptOutput::OnMessage(Connection* connection) {
  if (connection->unconfirmed == nullptr) return false;
  const bool ask = connection->unconfirmed->OnMessage(SteadyMs());
  if (connection->unconfirmed->empty()) Forget(connection);
  return ask;
}

bool KeptOutput::OnPong(Connection* connection, std::string_view payload) {
  if (connection->unconfirmed == nullptr || !connection->unconfirmed->OnPong(payload, SteadyMs()))
    return false;
  connections_.splice(connections_.end(), connections_, connection->unconfirmed->place);
  return true;
}

void KeptOutput::Forget(Connection* connection) {
  if (connection->unconfirmed == nullptr) return;
  connections_.erase(connection->unconfirmed->place);
  connection->unconfirmed.reset();
}

void KeptOutput::DropToBudget() {
  const uint64_t max_answered = budget_->limit / kAnsweredPart;
  const uint64_t max_kept = budget_->limit / kKeptPart;
  const auto less = [](uint64_t max) { return max - max / 16; };
  // First what clients have most likely got, of those who have most of it: what is a little stays.
  if (budget_->answered > max_answered) {
    const uint64_t share = max_answered / connections_.size();
    for (const Connection* connection : connections_) {
      if (connection->unconfirmed->answered_memory() > share) connection->unconfirmed->DropAnsweredButLast();
    }
  }
  const auto drop = [this](void (Unconfirmed::*what)(), const auto& is_enough) {
    for (size_t left = connections_.size(); left > 0 && !is_enough(); --left) {
      (connections_.front()->unconfirmed.get()->*what)();
      connections_.splice(connections_.end(), connections_, connections_.begin());
    }
  };
  const auto all_is_enough = [&] {
    return budget_->kept <= less(max_kept) && budget_->memory <= less(budget_->limit);
  };
  drop(&Unconfirmed::DropAnswered,
       [&] { return budget_->answered <= less(max_answered) && all_is_enough(); });
  drop(&Unconfirmed::Drop, all_is_enough);
}

}  // namespace dormouse::edge
