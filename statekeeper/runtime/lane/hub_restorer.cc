#include "statekeeper/runtime/lane/hub_restorer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/lane/operator_calls.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/waiting_store.h"

namespace dormouse {
namespace {

constexpr Duration kStillPatience{10'000};
// Of one commit: about a millisecond of Redis.
constexpr size_t kRowsPerCommit = 300;
constexpr size_t kBytesPerCommit = 512u << 10;

bool IsRowName(const std::string& key) {
  return key == kPastRow ||
         std::ranges::any_of(kHubRows, [&key](std::string_view rows) { return key.starts_with(rows); });
}

stored::HubMeta MetaIn(const RowPage& page) {
  stored::HubMeta meta;
  if (!page.rows.empty() && page.rows.front().key == kMetaRow) meta.ParseFromString(page.rows.front().value);
  return meta;
}

// The hub's meta row as it is to be, and the hub's place among the alarms.
void AddMeta(const HubRestore& restore, HubCommit* commit) {
  if (!restore.meta && restore.first && restore.rows.empty()) {  // nothing is left of it
    commit->rows.push_back({kMetaRow, std::nullopt});
    commit->alarm_due_ms = 0;
    return;
  }
  stored::HubMeta meta;
  if (restore.meta) meta.ParseFromString(*restore.meta);  // it can be: RestoreHub looked
  // Of owners that this state has never had: its gateways are asked for their sockets when it wakes.
  meta.clear_roll_epoch();
  meta.clear_roll_generation();
  meta.clear_begun();
  meta.clear_restoring();
  meta.set_restored(restore.run);
  commit->rows.push_back({kMetaRow, meta.SerializeAsString()});
  commit->alarm_due_ms = NextDue(meta);
}

}  // namespace

void HubRestorer::Restore(std::shared_ptr<HubRestore> restore, LaneOperator::Answer<RestoreOutcome> done) {
  ShardEpoch shard;
  OperatorStatus status = parts_.reader->MayBegin(ShardOf(restore->hub, config_.shard_count), &shard);
  if (status != OperatorStatus::kNotOwner && parts_.hubs->FindClass(restore->hub) == nullptr)
    status = OperatorStatus::kNoSuchHub;
  if (status != OperatorStatus::kOk) return done(status, {});
  if (!std::ranges::all_of(restore->rows, IsRowName, &RowWrite::key))
    return done(OperatorStatus::kOk, RestoreOutcome::kBadRow);
  if (stored::HubMeta meta; restore->meta && !meta.ParseFromString(*restore->meta))
    return done(OperatorStatus::kOk, RestoreOutcome::kUnreadable);
  parts_.host->fibers()->Run([this, shard, restore = std::move(restore), done = std::move(done)] {
    RestoreOutcome outcome = RestoreOutcome::kDone;
    const OperatorStatus restored = RestoreOnFiber(*restore, shard, &outcome);
    done(restored, outcome);
  });
}

OperatorStatus HubRestorer::RestoreOnFiber(const HubRestore& restore, const ShardEpoch& shard,
                                           RestoreOutcome* outcome) {
  if (!restore.first) return RestoreNext(restore, shard, outcome);
  if (!HoldStill(restore.hub, shard))
    return parts_.hubs->Find(shard.shard) == nullptr ? OperatorStatus::kNotOwner : OperatorStatus::kBusy;
  return RestoreFirst(restore, shard, outcome);
}

OperatorStatus HubRestorer::RestoreFirst(const HubRestore& restore, const ShardEpoch& shard,
                                         RestoreOutcome* outcome) {
  RowPage old;
  StoreStatus status = Range(restore, "", kRowsPerCommit, &old);
  const stored::HubMeta meta = MetaIn(old);
  const bool exists = !old.rows.empty();
  const bool already = exists && meta.restoring() == 0 && meta.restored() == restore.run;
  const bool stays = exists && meta.restoring() == 0 && !restore.replace;
  if (status != StoreStatus::kOk || already || stays) {
    LetGo(restore.hub, shard);
    *outcome = already ? RestoreOutcome::kAlready : RestoreOutcome::kExists;
    return StatusOf(status);
  }
  std::map<std::string, std::optional<std::string>> writes;
  for (const Row& row : old.rows) {
    if (row.key != kMetaRow) writes[row.key] = std::nullopt;
  }
  size_t bytes = 0;
  for (const RowWrite& row : restore.rows) {
    writes[row.key] = row.value;
    bytes += row.bytes();
  }
  if (restore.last && old.complete && writes.size() < kRowsPerCommit && bytes <= kBytesPerCommit) {
    HubCommit all{restore.hub, {}, {}};
    for (auto& [key, value] : writes) all.rows.push_back({key, std::move(value)});
    status = Finish(restore, shard, std::move(all));
    LetGo(restore.hub, shard);
  } else {
    status = Mark(restore, shard);
    LetGo(restore.hub, shard);  // who comes now is told to come again, instead of having to wait
    if (status == StoreStatus::kOk) status = RemoveRows(restore, shard);
    if (status == StoreStatus::kOk) status = WriteRows(restore, shard);
    if (status == StoreStatus::kOk && restore.last) status = Finish(restore, shard, {restore.hub, {}, {}});
  }
  if (exists && status == StoreStatus::kOk && restore.last) AskForSockets(restore.hub, shard);
  return StatusOf(status);
}

OperatorStatus HubRestorer::RestoreNext(const HubRestore& restore, const ShardEpoch& shard,
                                        RestoreOutcome* outcome) {
  RowPage first;
  StoreStatus status = Range(restore, "", 1, &first);
  if (status != StoreStatus::kOk) return StatusOf(status);
  const stored::HubMeta meta = MetaIn(first);
  if (meta.restoring() != restore.run) {
    const bool done = meta.restoring() == 0 && meta.restored() == restore.run;
    *outcome = done ? RestoreOutcome::kAlready : RestoreOutcome::kNotBegun;
    return OperatorStatus::kOk;
  }
  status = WriteRows(restore, shard);
  if (status == StoreStatus::kOk && restore.last) {
    status = Finish(restore, shard, {restore.hub, {}, {}});
    if (status == StoreStatus::kOk) AskForSockets(restore.hub, shard);
  }
  return StatusOf(status);
}

bool HubRestorer::HoldStill(const std::string& hub, const ShardEpoch& shard) {
  Fiber* const fiber = parts_.host->fibers()->current();
  bool held = false;
  bool rests = false;
  const auto look = [this, &hub, &shard, &held] {
    const ServedShard* const served = parts_.hubs->Find(shard.shard);
    if (served == nullptr || served->epoch != shard.epoch) return true;  // to find out below
    if (parts_.room->Has(hub, shard)) return false;
    AwakeHub* awake = parts_.hubs->Find(hub, shard);
    if (!held && awake != nullptr && awake->is_frozen()) return false;  // by another restore
    // An object without state, for events to wait in.
    if (awake == nullptr) awake = parts_.hubs->Wake(hub, shard);
    awake->Freeze();
    held = true;
    return awake->ForgetState();
  };
  parts_.awaited->Add(look, SteadyMs() + kStillPatience.count(), [this, &rests, fiber](bool in_time) {
    rests = in_time;
    parts_.host->fibers()->Resume(fiber);
  });
  parts_.host->fibers()->Suspend();
  if (rests && parts_.hubs->Find(hub, shard) != nullptr) return true;
  if (held) LetGo(hub, shard);
  return false;
}

void HubRestorer::LetGo(const std::string& hub, const ShardEpoch& shard) {
  AwakeHub* const awake = parts_.hubs->Find(hub, shard);
  if (awake == nullptr) return;
  awake->Thaw();
  // It has no state, so nothing speaks for keeping it in memory.
  if (awake->CanSleep()) parts_.hubs->Sleep(awake);
}

StoreStatus HubRestorer::Range(const HubRestore& restore, const std::string& first, size_t limit,
                               RowPage* page) {
  return WaitingStore(parts_.host->store(), parts_.host->fibers()).Range(restore.hub, first, "", limit, page);
}

StoreStatus HubRestorer::Commit(const ShardEpoch& shard, HubCommit commit) {
  return parts_.commits->Commit({shard.shard, shard.epoch, {std::move(commit)}});
}

StoreStatus HubRestorer::Mark(const HubRestore& restore, const ShardEpoch& shard) {
  stored::HubMeta mark;
  mark.set_restoring(restore.run);
  HubCommit commit{restore.hub, {{kMetaRow, mark.SerializeAsString()}}, 0};
  return Commit(shard, std::move(commit));
}

StoreStatus HubRestorer::RemoveRows(const HubRestore& restore, const ShardEpoch& shard) {
  while (true) {
    RowPage old;
    const StoreStatus read = Range(restore, kMetaRow + '\0', kRowsPerCommit, &old);
    if (read != StoreStatus::kOk || old.rows.empty()) return read;
    HubCommit commit{restore.hub, {}, {}};
    for (Row& row : old.rows) commit.rows.push_back({std::move(row.key), std::nullopt});
    const StoreStatus status = Commit(shard, std::move(commit));
    if (status != StoreStatus::kOk || old.complete) return status;
  }
}

StoreStatus HubRestorer::WriteRows(const HubRestore& restore, const ShardEpoch& shard) {
  for (size_t at = 0; at < restore.rows.size();) {
    // The last write of a row counts: a store need not keep the order of those of one commit.
    std::map<std::string, std::optional<std::string>> writes;
    size_t bytes = 0;
    for (; at < restore.rows.size() && writes.size() < kRowsPerCommit && bytes < kBytesPerCommit; ++at) {
      writes[restore.rows[at].key] = restore.rows[at].value;
      bytes += restore.rows[at].bytes();
    }
    HubCommit commit{restore.hub, {}, {}};
    for (auto& [key, value] : writes) commit.rows.push_back({key, std::move(value)});
    const StoreStatus status = Commit(shard, std::move(commit));
    if (status != StoreStatus::kOk) return status;
  }
  return StoreStatus::kOk;
}

StoreStatus HubRestorer::Finish(const HubRestore& restore, const ShardEpoch& shard, HubCommit commit) {
  AddMeta(restore, &commit);
  const int64_t due_ms = commit.alarm_due_ms.value_or(0);
  const StoreStatus status = Commit(shard, std::move(commit));
  if (status == StoreStatus::kOk) parts_.alarms->Note(shard.shard, due_ms);
  return status;
}

void HubRestorer::AskForSockets(const std::string& hub, const ShardEpoch& shard) {
  for (const GatewayId gateway : parts_.host->Linked()) {
    const event::CallRoll roll{gateway};
    // Not run here: this is a fiber.
    if (AwakeHub* const awake = parts_.hubs->Find(hub, shard); awake != nullptr) {
      awake->DeliverSoon(roll);
    } else {
      parts_.room->Add(hub, shard, roll);
    }
  }
}

}  // namespace dormouse
