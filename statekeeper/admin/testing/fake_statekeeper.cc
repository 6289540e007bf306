#include "statekeeper/admin/testing/fake_statekeeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "statekeeper/admin/admin_service.h"

namespace dormouse {

ClusterView FakeCluster::ViewOf(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  ClusterView view;
  view.shard_count = kShards;
  view.classes = {"echo", "signal"};
  for (const auto& [shard, entry] : shards_) view.shards.push_back(entry);
  for (auto [member_id, member] : members_) {
    member.is_self = member_id == id;
    for (const ShardEntry& entry : view.shards) member.shards += entry.owner == member_id ? 1 : 0;
    view.members.push_back(std::move(member));
  }
  return view;
}

void FakeCluster::Join(MemberView member) {
  const std::lock_guard lock(mutex_);
  members_[member.id] = std::move(member);
}

void FakeCluster::Give(ShardId shard, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  ShardEntry& entry = shards_[shard];
  entry = {shard, entry.epoch + 1, owner, ""};
}

void FakeCluster::Change(const std::string& id, const std::function<void(MemberView*)>& change) {
  const std::lock_guard lock(mutex_);
  change(&members_.at(id));
}

void FakeCluster::Leave(const std::string& id) {
  const std::lock_guard lock(mutex_);
  members_.erase(id);
}

FakeStatekeeper::FakeStatekeeper(FakeCluster* cluster, const std::string& id, const TestTrust* trust,
                                 const std::string& admin_key, bool unix_known)
    : cluster_(cluster), id_(id), unix_path_(directory_ / ("statekeeper-" + id + ".sock")) {
  lane_ = std::jthread([this](const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !answers_.empty() && !holding_; })) {
      const auto answer = std::move(answers_.front());
      answers_.pop_front();
      changed_.notify_all();
      lock.unlock();
      answer();
      lock.lock();
    }
  });
  LinkServer::Config config;
  config.addresses = {"unix:" + unix_path_};
  if (trust != nullptr) {
    config.addresses.emplace_back("127.0.0.1:0");
    config.gate = trust->NewGate(registry_.get(), admin_key);
  }
  service_ =
      NewAdminService(trust == nullptr ? nullptr : trust->Of(LinkRole::kStatekeeper), this, this, registry_);
  std::string error;
  config.incarnation = 1;
  config.services = {service_.get()};
  server_ = NewLinkServer(config);
  if (!server_->Start(&error)) throw std::runtime_error(error);
  MemberView member;
  member.id = id;
  if (trust != nullptr) member.address = tcp();
  if (unix_known) member.unix_path = unix_path_;
  member.version = "0.1.0";
  member.started = WallTime(Duration(1'700'000'000'000));
  member.lanes = 2;
  cluster_->Join(std::move(member));
}

FakeStatekeeper::~FakeStatekeeper() {
  cluster_->Leave(id_);
  server_.reset();
}

void FakeStatekeeper::AddHub(const std::string& hub, FakeHub state) {
  const std::lock_guard lock(mutex_);
  hubs_[hub] = std::move(state);
}

FakeHub FakeStatekeeper::Look(const std::string& hub) const {
  const std::lock_guard lock(mutex_);
  return Find(hub);
}

void FakeStatekeeper::SetPageRows(size_t rows) {
  const std::lock_guard lock(mutex_);
  page_rows_ = rows;
}

void FakeStatekeeper::LoseEveryPage(size_t nth) {
  const std::lock_guard lock(mutex_);
  lose_every_ = nth;
}

void FakeStatekeeper::Answer(OperatorStatus status) {
  const std::lock_guard lock(mutex_);
  status_ = status;
}

void FakeStatekeeper::FailWith(const std::string& error) {
  const std::lock_guard lock(mutex_);
  error_ = error;
}

void FakeStatekeeper::BeSilent() {
  const std::lock_guard lock(mutex_);
  silent_ = true;
}

void FakeStatekeeper::Hold() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void FakeStatekeeper::Release() {
  std::unique_lock lock(mutex_);
  holding_ = false;
  changed_.notify_all();
  changed_.wait(lock, [this] { return answers_.empty(); });
}

void FakeStatekeeper::AwaitAsked(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return asked_.size() >= count; });
}

void FakeStatekeeper::StopServing() { server_.reset(); }

std::vector<std::string> FakeStatekeeper::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

size_t FakeStatekeeper::most_at_once() const {
  const std::lock_guard lock(mutex_);
  return most_at_once_;
}

void FakeStatekeeper::Reply(const std::string& asked, const std::function<std::function<void()>()>& answer) {
  const std::lock_guard lock(mutex_);
  asked_.push_back(asked);
  if (!silent_) answers_.push_back(answer());
  changed_.notify_all();
}

FakeHub FakeStatekeeper::Find(const std::string& hub) const {
  const auto found = hubs_.find(hub);
  return found == hubs_.end() ? FakeHub() : found->second;
}

OperatorStatus FakeStatekeeper::StatusOf(const std::string& hub) const {
  if (status_ != OperatorStatus::kOk) return status_;
  return hubs_.contains(hub) ? OperatorStatus::kOk : OperatorStatus::kNoSuchHub;
}

void FakeStatekeeper::Evict(std::vector<ShardId> shards, std::function<void(std::string)> done) {
  Reply(fmt::format("evict {}", fmt::join(shards, ",")),
        [&] { return [done = std::move(done), error = error_] { done(error); }; });
}

void FakeStatekeeper::Drain(bool drain, std::function<void(std::string)> done) {
  Reply(drain ? "drain" : "undo drain",
        [&] { return [done = std::move(done), error = error_] { done(error); }; });
}

void FakeStatekeeper::ListHubs(ShardId shard, std::string after, size_t limit,
                               LaneOperator::Answer<std::vector<HubSummary>> done) {
  Reply(fmt::format("list {}", shard), [&] {
    std::vector<HubSummary> found;
    for (auto hub = hubs_.upper_bound(after); hub != hubs_.end() && found.size() < limit; ++hub) {
      if (ShardOf(hub->first, FakeCluster::kShards) != shard) continue;
      found.push_back({hub->first, hub->second.awake, hub->second.awake ? 1500 : 0});
    }
    return [done = std::move(done), status = status_, found = std::move(found)] { done(status, found); };
  });
}

void FakeStatekeeper::DescribeHub(std::string hub, LaneOperator::Answer<HubReport> done) {
  Reply("describe " + hub, [&] {
    const FakeHub state = Find(hub);
    HubReport report;
    report.hub = hub;
    report.shard = ShardOf(hub, FakeCluster::kShards);
    report.epoch = 7;
    report.awake = state.awake;
    report.idle_ms = 1500;
    report.sockets = state.connections.size();
    for (const ConnectionReport& connection : state.connections) {
      report.sockets_by_gateway.emplace_back(connection.id.gateway, 1);
    }
    report.alarm_due_ms = 4'000'000'000'000;
    report.timers = {{"night", 5'000'000'000'000}, {"round", 1'000}};
    report.state_bytes = 1536;
    if (report.awake) report.counts = {{"registrations", 3}};
    return [done = std::move(done), status = StatusOf(hub), report] { done(status, report); };
  });
}

void FakeStatekeeper::ListConnections(std::string hub, std::string after, size_t limit,
                                      LaneOperator::Answer<std::vector<ConnectionReport>> done) {
  Reply("connections " + hub, [&] {
    std::vector<ConnectionReport> found;
    const FakeHub state = Find(hub);
    for (const ConnectionReport& connection : state.connections) {
      if (connection.id.ToString() > after && found.size() < limit) found.push_back(connection);
    }
    return [done = std::move(done), status = StatusOf(hub), found] { done(status, found); };
  });
}

void FakeStatekeeper::HibernateHub(std::string hub, Done done) {
  Reply("hibernate " + hub,
        [&] { return [done = std::move(done), status = StatusOf(hub)] { done(status); }; });
}

void FakeStatekeeper::CloseHub(std::string hub, Done done) {
  Reply("close " + hub, [&] {
    most_at_once_ = std::max(most_at_once_, ++closing_);
    return [this, done = std::move(done), status = StatusOf(hub)] {
      {
        const std::lock_guard lock(mutex_);
        --closing_;
      }
      done(status);
    };
  });
}

void FakeStatekeeper::ReadHubs(ShardId shard, std::string after, LaneOperator::Answer<HubsPage> done) {
  Reply(fmt::format("read {}", shard), [&] {
    HubsPage page;
    page.complete = true;
    page.through = after;
    for (auto hub = hubs_.upper_bound(after); hub != hubs_.end(); ++hub) {
      if (ShardOf(hub->first, FakeCluster::kShards) != shard) continue;
      if (hub->second.rows.size() > page_rows_) {
        page.large = hub->first;
        page.complete = false;
        break;
      }
      page.through = hub->first;
      WholeHub whole{hub->first, {}};
      for (const auto& [key, value] : hub->second.rows) whole.rows.push_back({key, value});
      page.hubs.push_back(std::move(whole));
    }
    return [done = std::move(done), status = status_, page = std::move(page)] { done(status, page); };
  });
}

void FakeStatekeeper::ReadHub(std::string hub, uint64_t /*reading*/, uint32_t number,
                              LaneOperator::Answer<HubPage> done) {
  Reply(fmt::format("read {} {}", hub, number), [&] {
    HubPage page;
    page.lost = lose_every_ != 0 && ++pages_read_ % lose_every_ == 0;
    const FakeHub state = Find(hub);
    auto row = state.rows.begin();
    std::advance(row, std::min(state.rows.size(), number * page_rows_));
    for (; row != state.rows.end() && page.rows.size() < page_rows_; ++row)
      page.rows.push_back({row->first, row->second});
    page.complete = row == state.rows.end();
    page.reading = page.complete ? 0 : 1;
    return [done = std::move(done), status = StatusOf(hub), page = std::move(page)] { done(status, page); };
  });
}

void FakeStatekeeper::RestoreHub(HubRestore restore, LaneOperator::Answer<RestoreOutcome> done) {
  Reply("restore " + restore.hub, [&] {
    const RestoreOutcome outcome = status_ == OperatorStatus::kOk ? Put(restore) : RestoreOutcome::kDone;
    return [done = std::move(done), status = status_, outcome] { done(status, outcome); };
  });
}

RestoreOutcome FakeStatekeeper::Put(const HubRestore& restore) {
  if (restore.first) {
    const auto restored = restored_.find(restore.hub);
    if (restored != restored_.end() && restored->second == restore.run) return RestoreOutcome::kAlready;
    if (hubs_.contains(restore.hub) && !restore.replace) return RestoreOutcome::kExists;
    hubs_[restore.hub] = {};
  }
  FakeHub& hub = hubs_[restore.hub];
  for (const RowWrite& row : restore.rows) {
    hub.rows.erase(row.key);
    if (row.value) hub.rows[row.key] = *row.value;
  }
  if (restore.meta) hub.rows["!meta"] = *restore.meta;
  if (restore.last) restored_[restore.hub] = restore.run;
  return RestoreOutcome::kDone;
}

}  // namespace dormouse
