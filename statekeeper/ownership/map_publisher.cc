#include "statekeeper/ownership/map_publisher.h"

#include <utility>

namespace dormouse {
namespace {

constexpr Duration kGap{20};  // between two maps

}  // namespace

MapPublisher::MapPublisher(Config config, const Membership* membership, const Lease* lease)
    : config_(std::move(config)),
      membership_(membership),
      lease_(lease),
      classes_(config_.classes),
      view_(std::make_shared<const ClusterView>(ClusterView{config_.shard_count, {}, {}})) {}

std::shared_ptr<const ClusterView> MapPublisher::View() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

void MapPublisher::ChangeClasses(std::vector<link::ClassProfile> classes) {
  classes_ = std::move(classes);
  MarkChanged();
}

void MapPublisher::Publish(const ShardTable& table, SteadyTime now) {
  if (!lease_->IsGood() || now - published_ >= kGap) PublishNow(table, now);
}

void MapPublisher::PublishNow(const ShardTable& table, SteadyTime now) {
  if (!lease_->IsGood()) {
    if (std::exchange(is_withdrawn_, true)) return;
    config_.withdraw();
    SetView(NewView(table));
    return;
  }
  is_changed_ |= std::exchange(is_withdrawn_, false);
  if (!std::exchange(is_changed_, false)) return;
  published_ = now;
  config_.publish(NewMap(table));
  SetView(NewView(table));
}

void MapPublisher::SetView(ClusterView view) {
  auto shared = std::make_shared<const ClusterView>(std::move(view));
  const std::lock_guard lock(view_mutex_);
  view_.swap(shared);
}

link::ShardMap MapPublisher::NewMap(const ShardTable& table) {
  link::ShardMap map;
  map.set_version(++version_);
  map.set_shard_count(config_.shard_count);
  for (const Member& member : membership_->members()) {
    link::Member* listed = map.add_members();
    listed->set_incarnation(member.id);
    listed->set_lanes(member.lanes);
    listed->set_address(member.address);
    listed->set_unix_path(member.unix_path);
    listed->set_app_http(member.app_http);
    listed->set_framed(member.framed);
  }
  for (size_t i = 0; i < config_.shard_count; ++i) {
    const KnownShard& known = table.at(static_cast<ShardId>(i));
    // Past the last member: the owner does not live any more, or there was none.
    map.add_owner(static_cast<uint32_t>(membership_->IndexOf(known.owner)));
    map.add_epoch(known.epoch);
  }
  for (const link::ClassProfile& profile : classes_) *map.add_classes() = profile;
  return map;
}

ClusterView MapPublisher::NewView(const ShardTable& table) const {
  ClusterView view;
  view.shard_count = config_.shard_count;
  view.cluster_id = config_.cluster_id;
  for (const link::ClassProfile& profile : classes_) view.classes.push_back(profile.name());
  for (const Member& member : membership_->members()) {
    MemberView& shown = view.members.emplace_back();
    shown.id = PrintMemberId(member.id);
    shown.address = member.address;
    shown.unix_path = member.unix_path;
    shown.version = member.version;
    shown.state = member.state;
    shown.started = member.started;
    shown.lanes = member.lanes;
    shown.is_self = member.id == membership_->self().id;
    if (shown.is_self && !lease_->IsGood()) shown.state = MemberState::kCutOff;
    shown.suspected = membership_->IsSuspect(member.id);
  }
  for (size_t i = 0; i < config_.shard_count; ++i) {
    const auto shard = static_cast<ShardId>(i);
    view.shards.push_back(table.Entry(shard));
    const size_t owner = membership_->IndexOf(table.at(shard).owner);
    if (owner == view.members.size()) continue;
    MemberView& shown = view.members[owner];
    if (shown.state != MemberState::kCutOff) ++shown.shards;
  }
  return view;
}

}  // namespace dormouse
