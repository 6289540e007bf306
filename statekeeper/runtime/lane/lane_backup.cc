// How a lane reads hubs for whoever keeps copies of them.
//
// From the store, where there is nothing but what was committed, and one read after the other: so a copy
// takes no hub's turn, and little of the store's time at once.
#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/lane/lane.h"
#include "statekeeper/runtime/waiting_store.h"

namespace dormouse {
namespace {

constexpr size_t kHubsPerPage = 256;
constexpr size_t kRowsPerPage = 1'000;
constexpr size_t kBytesPerPage = 512u << 10;

}  // namespace

OperatorStatus Lane::MayCopy(ShardId shard, ShardEpoch* epoch) {
  const ServedShard* served = Find(shard);
  if (served == nullptr || !MayServe(*served)) return OperatorStatus::kNotOwner;
  *epoch = {shard, served->epoch};
  return fibers_.MaySuspend() && fibers_.MayRun() ? OperatorStatus::kOk : OperatorStatus::kCrowded;
}

void Lane::NoteCommit(const ShardEpoch& shard, StoreStatus status) {
  metrics_.commits.Increment();
  if (status != StoreStatus::kOk) {
    readings_.Break(shard);
    return metrics_.commit_failures.Increment();
  }
  const ServedShard* served = Find(shard.shard);
  if (served != nullptr && served->epoch == shard.epoch)
    links_->SetCommits(shard.shard, store_->Commits(shard));
}

StoreStatus Lane::CommitCopy(ShardCommit commit) {
  const ShardEpoch shard{commit.shard, commit.epoch};
  readings_.Note(commit);
  const StoreStatus status = WaitingStore(store_.get(), &fibers_).Commit(std::move(commit));
  NoteCommit(shard, status);
  if (status == StoreStatus::kFenced) OnFenced(shard);
  return status;
}

void Lane::ReadHubs(ShardId shard, const std::string& after, LaneOperator::Answer<HubsPage> done) {
  ShardEpoch epoch;
  if (const OperatorStatus status = MayCopy(shard, &epoch); status != OperatorStatus::kOk)
    return done(status, {});
  fibers_.Run([this, shard, after, done = std::move(done)] {
    HubsPage page;
    const OperatorStatus status = ReadShardOnFiber(shard, after, &page);
    done(status, std::move(page));
  });
}

OperatorStatus Lane::ReadShardOnFiber(ShardId shard, const std::string& after, HubsPage* page) {
  WaitingStore store(store_.get(), &fibers_);
  std::vector<std::string> names;
  StoreStatus status = store.ListHubs(shard, after, kHubsPerPage, &names);
  if (status != StoreStatus::kOk) return StatusOf(status);
  page->complete = names.size() < kHubsPerPage;
  page->through = after;
  size_t bytes = 0;
  for (std::string& name : names) {
    if (bytes >= kBytesPerPage) {
      page->complete = false;
      break;
    }
    RowPage rows;
    status = store.Range(name, "", "", kRowsPerPage, &rows);
    if (status != StoreStatus::kOk) return StatusOf(status);
    if (!rows.complete) {
      page->large = std::move(name);
      page->complete = false;
      break;
    }
    page->through = name;
    if (rows.rows.empty()) continue;  // it has gone meanwhile
    for (const Row& row : rows.rows) bytes += row.key.size() + row.value.size();
    page->hubs.push_back({std::move(name), std::move(rows.rows)});
  }
  return OperatorStatus::kOk;
}

void Lane::ReadHub(const std::string& hub, uint64_t reading, uint32_t page,
                   LaneOperator::Answer<HubPage> done) {
  ShardEpoch shard;
  if (const OperatorStatus status = MayCopy(ShardOf(hub, config_.shard_count), &shard);
      status != OperatorStatus::kOk)
    return done(status, {});
  if (reading == 0) {
    reading = readings_.Add(hub, shard);
    if (reading == 0) return done(OperatorStatus::kCrowded, {});
  }
  const HubReadings::Reading* const found = readings_.Find(reading);
  if (found == nullptr || found->hub != hub || found->page != page) {
    readings_.Remove(reading);
    HubPage lost;
    lost.lost = true;
    return done(OperatorStatus::kOk, std::move(lost));
  }
  fibers_.Run([this, shard = found->shard, reading, page, done = std::move(done)] {
    HubPage answer;
    const OperatorStatus status = ReadOnFiber(shard, reading, page, &answer);
    if (status != OperatorStatus::kOk || answer.lost || answer.complete) readings_.Remove(reading);
    done(status, std::move(answer));
  });
}

OperatorStatus Lane::ReadOnFiber(const ShardEpoch& shard, uint64_t number, uint32_t page_number,
                                 HubPage* page) {
  HubReadings::Reading* reading = readings_.Find(number);
  reading->used_ms = SteadyMs();
  ++reading->page;  // whoever asks for the same page again has not got it
  RowPage rows;
  const StoreStatus read =
      WaitingStore(store_.get(), &fibers_)
          .Range(std::string(reading->hub), std::string(reading->next), "", kRowsPerPage, &rows);
  if (read != StoreStatus::kOk) return StatusOf(read);
  reading = readings_.Find(number);
  if (reading == nullptr || reading->broken) {
    page->lost = true;
    return OperatorStatus::kOk;
  }
  if (page_number == 0 && rows.rows.empty()) return OperatorStatus::kNoSuchHub;
  page->rows = std::move(rows.rows);
  page->changes = std::exchange(reading->changes, {});
  reading->bytes = 0;
  if (!rows.complete) {
    page->reading = number;
    reading->next = page->rows.back().key + '\0';
    return OperatorStatus::kOk;
  }
  page->complete = true;
  // A hub that was read in one go was read at one moment.
  if (page_number == 0) {
    page->changes.clear();
    return OperatorStatus::kOk;
  }
  // What was noted counts once it is known to be there, and that nobody else has written meanwhile: which the
  // answer to a commit after all that says.
  reading->complete = true;
  const StoreStatus fence = CommitCopy({shard.shard, shard.epoch, {}});
  reading = readings_.Find(number);
  page->lost = reading == nullptr || reading->broken;
  return StatusOf(fence);
}

}  // namespace dormouse
