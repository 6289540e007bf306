#include "statekeeper/runtime/lane/hub_reader.h"

#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/lane/operator_calls.h"
#include "statekeeper/runtime/waiting_store.h"

namespace dormouse {
namespace {

constexpr size_t kHubsPerPage = 256;
constexpr size_t kRowsPerPage = 1'000;
constexpr size_t kBytesPerPage = 512u << 10;

}  // namespace

OperatorStatus HubReader::MayBegin(ShardId shard, ShardEpoch* epoch) {
  const ServedShard* const served = parts_.hubs->Find(shard);
  if (served == nullptr || !parts_.router->MayServe(*served)) return OperatorStatus::kNotOwner;
  *epoch = {shard, served->epoch};
  FiberPool* const fibers = parts_.host->fibers();
  return fibers->MaySuspend() && fibers->MayRun() ? OperatorStatus::kOk : OperatorStatus::kCrowded;
}

void HubReader::ReadHubs(ShardId shard, const std::string& after, LaneOperator::Answer<HubsPage> done) {
  ShardEpoch epoch;
  if (const OperatorStatus status = MayBegin(shard, &epoch); status != OperatorStatus::kOk)
    return done(status, {});
  parts_.host->fibers()->Run([this, shard, after, done = std::move(done)] {
    HubsPage page;
    const OperatorStatus status = ReadShardOnFiber(shard, after, &page);
    done(status, std::move(page));
  });
}

OperatorStatus HubReader::ReadShardOnFiber(ShardId shard, const std::string& after, HubsPage* page) {
  WaitingStore store(parts_.host->store(), parts_.host->fibers());
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

void HubReader::ReadHub(const std::string& hub, uint64_t reading, uint32_t page,
                        LaneOperator::Answer<HubPage> done) {
  ShardEpoch shard;
  if (const OperatorStatus status = MayBegin(ShardOf(hub, config_.shard_count), &shard);
      status != OperatorStatus::kOk)
    return done(status, {});
  HubReadings& readings = parts_.commits->readings();
  if (reading == 0) {
    reading = readings.Add(hub, shard);
    if (reading == 0) return done(OperatorStatus::kCrowded, {});
  }
  const HubReadings::Reading* const found = readings.Find(reading);
  if (found == nullptr || found->hub != hub || found->page != page) {
    readings.Remove(reading);
    HubPage lost;
    lost.lost = true;
    return done(OperatorStatus::kOk, std::move(lost));
  }
  parts_.host->fibers()->Run([this, &readings, shard = found->shard, reading, page, done = std::move(done)] {
    HubPage answer;
    const OperatorStatus status = ReadOnFiber(shard, reading, page, &answer);
    if (status != OperatorStatus::kOk || answer.lost || answer.complete) readings.Remove(reading);
    done(status, std::move(answer));
  });
}

OperatorStatus HubReader::ReadOnFiber(const ShardEpoch& shard, uint64_t number, uint32_t page_number,
                                      HubPage* page) {
  HubReadings& readings = parts_.commits->readings();
  HubReadings::Reading* reading = readings.Find(number);
  reading->used_ms = SteadyMs();
  ++reading->page;  // whoever asks for the same page again has not got it
  RowPage rows;
  const StoreStatus read =
      WaitingStore(parts_.host->store(), parts_.host->fibers())
          .Range(std::string(reading->hub), std::string(reading->next), "", kRowsPerPage, &rows);
  if (read != StoreStatus::kOk) return StatusOf(read);
  reading = readings.Find(number);
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
  const StoreStatus fence = parts_.commits->Commit({shard.shard, shard.epoch, {}});
  reading = readings.Find(number);
  page->lost = reading == nullptr || reading->broken;
  return StatusOf(fence);
}

}  // namespace dormouse
