#include "statekeeper/admin/replies.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "statekeeper/admin/find_member.h"
#include "statekeeper/store/stored_format.h"

namespace dormouse {
namespace {

admin::Member::State ToProto(MemberState state) {
  if (state == MemberState::kJoining) return admin::Member::JOINING;
  if (state == MemberState::kCutOff) return admin::Member::CUT_OFF;
  return state == MemberState::kServing ? admin::Member::SERVING : admin::Member::DRAINING;
}

}  // namespace

admin::ConfigReply ToProto(const Configuration& configuration) {
  admin::ConfigReply reply;
  reply.set_process(std::string(NameOf(configuration.process())));
  reply.set_file(configuration.file());
  for (const Configuration::Setting& setting : configuration.settings()) {
    admin::ConfigReply::Setting* out = reply.add_settings();
    out->set_name(setting.name);
    out->set_value(setting.value);
    out->set_source(std::string(NameOf(setting.source)));
    out->set_from(Describe(setting, configuration.file()));
    out->set_reloadable(setting.may_change);
    out->set_pending(setting.pending);
  }
  return reply;
}

admin::MembersReply ListMembers(const ClusterView& view) {
  admin::MembersReply reply;
  reply.set_shard_count(view.shard_count);
  reply.set_cluster(view.cluster_id);
  reply.set_stored_format(kStoredFormat);
  uint32_t owned = 0;
  for (const MemberView& member : view.members) {
    admin::Member* out = reply.add_members();
    out->set_id(member.id);
    out->set_address(member.address);
    out->set_version(member.version);
    out->set_state(ToProto(member.state));
    out->set_started_ms(Milliseconds(member.started));
    out->set_lanes(member.lanes);
    out->set_shards(member.shards);
    out->set_suspected(member.suspected);
    if (member.is_self) reply.set_self(member.id);
    owned += member.shards;
  }
  reply.set_ownerless(view.shard_count - std::min(owned, view.shard_count));
  return reply;
}

grpc::Status ListShards(const ClusterView& view, const admin::ShardsRequest& request,
                        admin::ShardsReply* reply) {
  if (!request.owner().empty()) {
    grpc::Status status;
    const MemberView* owner = FindMember(view, request.owner(), &status);
    if (owner == nullptr) return status;
    reply->set_owner(owner->id);
  }
  std::set<std::string_view> living;
  for (const MemberView& member : view.members) living.insert(member.id);
  for (const ShardEntry& entry : view.shards) {
    if (!reply->owner().empty() && entry.owner != reply->owner()) continue;
    admin::Shard* out = reply->add_shards();
    out->set_shard(entry.shard);
    out->set_epoch(entry.epoch);
    out->set_owner(entry.owner);
    out->set_owner_lives(living.contains(entry.owner));
    out->set_avoid(entry.avoid);
  }
  return grpc::Status::OK;
}

admin::HubReply Describe(const HubReport& report, const std::string& self) {
  admin::HubReply reply;
  reply.set_hub(report.hub);
  reply.set_shard(report.shard);
  reply.set_epoch(report.epoch);
  reply.set_owner(self);
  reply.set_awake(report.awake);
  reply.set_idle_ms(report.idle_ms);
  reply.set_sockets(report.sockets);
  for (const auto& [id, sockets] : report.sockets_by_gateway) {
    admin::HubReply::Gateway* gateway = reply.add_gateways();
    gateway->set_id(fmt::format("{:016x}", id));
    gateway->set_sockets(sockets);
  }
  if (report.alarm_due_ms.has_value()) reply.set_alarm_due_ms(*report.alarm_due_ms);
  for (const auto& [name, due_ms] : report.timers) {
    admin::HubReply::Timer* timer = reply.add_timers();
    timer->set_name(name);
    timer->set_due_ms(due_ms);
  }
  reply.set_state_bytes(report.state_bytes);
  reply.set_waiting_events(report.waiting_events);
  reply.set_half_restored(report.half_restored);
  for (const auto& [name, value] : report.counts) {
    admin::HubReply::Count* count = reply.add_counts();
    count->set_name(name);
    count->set_value(value);
  }
  return reply;
}

admin::ConnectionsReply ListConnections(const std::vector<ConnectionReport>& connections, size_t limit) {
  admin::ConnectionsReply reply;
  for (const ConnectionReport& connection : connections) {
    admin::ConnectionsReply::Connection* out = reply.add_connections();
    out->set_id(connection.id.ToString());
    out->set_gateway(fmt::format("{:016x}", connection.id.gateway));
    out->set_connected_ms(connection.connected_ms);
    out->set_last_seen_ms(connection.last_seen_ms);
    out->set_attachment_bytes(connection.attachment_bytes);
    for (const std::string& tag : connection.tags) out->add_tags(tag);
  }
  reply.set_complete(connections.size() < limit);
  return reply;
}

}  // namespace dormouse
