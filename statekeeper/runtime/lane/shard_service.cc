#include "statekeeper/runtime/lane/shard_service.h"

#include <memory>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

// How long handlers that have deferred their events may take to finish them before their shard goes.
constexpr Duration kDeferredPatience{300};

}  // namespace

void ShardService::Serve(const std::vector<TakenShard>& shards) {
  std::vector<ShardEpoch> taken;
  std::vector<ShardId> resumed;
  size_t suspect = 0;
  for (const TakenShard& each : shards) {
    if (const ServedShard* const known = parts_.hubs->Find(each.shard); known != nullptr) {
      if (known->epoch > each.epoch) {
        const LogAbout about({.lane = config_.lane, .shard = each.shard});
        SPDLOG_WARN("it is served in epoch {} already, not in {}", known->epoch, each.epoch);
        continue;
      }
      if (known->epoch == each.epoch) {
        resumed.push_back(each.shard);
        continue;
      }
      Forget(each.shard);
    }
    ServedShard& shard = parts_.hubs->shards()[each.shard];
    shard.epoch = each.epoch;
    shard.claimed_ms = WallMs();
    parts_.links->SetCommits(each.shard, each.commits);
    if (config_.max_attempts != 0 && each.crashes + 1 >= config_.max_attempts) {
      shard.attempts = each.crashes + 1;
      ++suspect;
    }
    taken.push_back({each.shard, each.epoch});
  }
  if (suspect > 0) {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_WARN(
        "{} shards come from owners that died, {} or more in a row; what was under way there is tried one by "
        "one",
        suspect, config_.max_attempts - 1);
  }
  Count();
  if (!resumed.empty()) Reinstate(resumed);
  if (taken.empty()) return;
  parts_.links->Own(taken);
  for (const ShardEpoch& each : taken) parts_.alarms->AddShard(each.shard);
}

void ShardService::Retire(const std::vector<ShardId>& shards, Duration patience, std::function<void()> done) {
  std::vector<ShardEpoch> retired;
  for (const ShardId id : shards) {
    ServedShard* const shard = parts_.hubs->Find(id);
    if (shard == nullptr) continue;
    shard->retired = true;
    parts_.alarms->PauseShard(id);
    retired.push_back({id, shard->epoch});
  }
  if (retired.empty()) return done();
  ReturnWaiting(retired);
  const int64_t deadline_ms = SteadyMs() + patience.count();
  const int64_t abandon_ms = SteadyMs() + std::min(patience, kDeferredPatience).count();
  parts_.awaited->Add(
      [this, retired, abandon_ms] { return parts_.hubs->LetSleep(retired, SteadyMs() >= abandon_ms); },
      deadline_ms,
      [this, retired, deadline_ms, done = std::move(done)](bool in_time) {
        if (!in_time) return done();
        Quiesce(retired, deadline_ms, done);
      });
}

void ShardService::ReturnWaiting(const std::vector<ShardEpoch>& shards) {
  for (WaitingRoom::Waiter& sleeper : parts_.room->Extract(shards)) {
    ServedShard* const shard = parts_.hubs->Find(sleeper.shard.shard);
    for (HubEvent& event : sleeper.events) {
      if (FindUnsettled(event) != nullptr) {
        shard->waiting.push_back({sleeper.name, std::move(event)});
      } else if (Is<event::AlarmDue>(event)) {
        parts_.alarms->Done(sleeper.name, sleeper.shard.shard, 0);
      }
    }
  }
}

bool ShardService::IsRetired(const ShardEpoch& shard) {
  const ServedShard* const served = parts_.hubs->Find(shard.shard);
  return served != nullptr && served->epoch == shard.epoch && served->retired;
}

void ShardService::Quiesce(std::vector<ShardEpoch> shards, int64_t deadline_ms, std::function<void()> done) {
  std::erase_if(shards, [this](const ShardEpoch& each) { return !IsRetired(each); });
  if (shards.empty()) return done();
  const auto once = std::make_shared<std::function<void()>>(std::move(done));
  const auto finish = [once] {
    if (const auto run = std::exchange(*once, nullptr)) run();
  };
  parts_.links->Quiesce(shards, finish);
  parts_.awaited->Add([once] { return !*once; }, deadline_ms, [finish](bool) { finish(); });
}

void ShardService::Reinstate(const std::vector<ShardId>& shards) {
  for (const ShardId id : shards) {
    ServedShard* const shard = parts_.hubs->Find(id);
    if (shard == nullptr || !std::exchange(shard->retired, false)) continue;
    parts_.alarms->AddShard(id);
    parts_.router->HandleWaiting(id);
  }
}

void ShardService::Drop(const std::vector<ShardEpoch>& shards) {
  for (const ShardEpoch& each : shards) {
    const ServedShard* const shard = parts_.hubs->Find(each.shard);
    if (shard != nullptr && shard->epoch <= each.epoch) Forget(each.shard);
  }
  Count();
}

void ShardService::OnFenced(const ShardEpoch& shard) {
  parts_.metrics->commits_fenced.Increment();
  const ServedShard* const served = parts_.hubs->Find(shard.shard);
  if (served == nullptr || served->epoch != shard.epoch) return;
  {
    const LogAbout about({.lane = config_.lane, .shard = shard.shard});
    SPDLOG_WARN("it has another owner, or is not what it was; what was not durable goes there");
  }
  Forget(shard.shard);
  Count();
  config_.fenced(shard);
}

void ShardService::Forget(ShardId shard) {
  if (parts_.hubs->Find(shard) == nullptr) return;
  parts_.alarms->RemoveShard(shard);
  parts_.hubs->Remove(shard);
  parts_.links->Disown({shard});
}

void ShardService::Count() {
  parts_.metrics->shards_owned.Set(static_cast<double>(parts_.hubs->shards().size()));
}

}  // namespace dormouse
