#include "statekeeper/runtime/hub/output_gate.h"

#include <utility>

namespace dormouse {

EventOutput OutputOf(const HubEvent& event, const ShardEpoch& shard, std::vector<Output> outputs) {
  EventOutput output;
  if (const event::FromGateway* const from = FindUnsettled(event))
    output.cause = {from->gateway, shard.shard, from->sequence};
  output.shard = shard.shard;
  output.epoch = shard.epoch;
  output.outputs = std::move(outputs);
  return output;
}

bool OutputGate::Hold(Handled handled, HubState::Change change) {
  if (change.empty()) {
    held_.push_back({{std::move(handled), {}, false}, held_.empty() ? 0 : held_.back().commit, 0});
    return false;
  }
  size_t bytes = 0;
  for (RowWrite& write : change.writes) {
    bytes += write.bytes();
    rows_.insert_or_assign(std::move(write.key), std::move(write.value));
  }
  if (change.next_due) due_ms_ = change.next_due;
  change.writes.clear();
  bytes_ += bytes;
  held_.push_back({{std::move(handled), std::move(change), true}, next_commit_, bytes});
  return !std::exchange(commit_soon_, true);
}

OutputGate::Commit OutputGate::TakeCommit(const std::string& hub) {
  commit_soon_ = false;
  Commit commit{next_commit_++, {hub, {}, std::exchange(due_ms_, std::nullopt)}};
  commit.writes.rows.reserve(rows_.size());
  for (auto& [row, value] : rows_) commit.writes.rows.push_back({row, std::move(value)});
  rows_.clear();
  return commit;
}

std::optional<OutputGate::Handled> OutputGate::TakeDurable(uint64_t number) {
  if (held_.empty() || held_.front().commit > number) return std::nullopt;
  Handled handled = std::move(held_.front().what.handled);
  bytes_ -= held_.front().bytes;
  held_.pop_front();
  return handled;
}

bool OutputGate::Fail(uint64_t number) {
  if (held_.empty() || held_.front().commit > number) return false;
  failed_ = true;
  return true;
}

std::deque<OutputGate::RolledBack> OutputGate::RollBack() {
  failed_ = false;
  in_doubt_ = true;
  std::deque<RolledBack> taken;
  for (Held& each : std::exchange(held_, {})) taken.push_back(std::move(each.what));
  DropWrites();
  return taken;
}

void OutputGate::DropWrites() {
  bytes_ = 0;
  rows_.clear();
  due_ms_.reset();
}

}  // namespace dormouse
