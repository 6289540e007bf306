#include "deploy/ctl/commands.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "deploy/ctl/admin_page.h"
#include "deploy/ctl/say.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

// False: the limit is reached.
bool AddPages(ClusterClient* cluster, admin::HubsRequest request, uint64_t limit, HubList* list) {
  while (true) {
    const admin::HubsReply page = cluster->Ask(&Stub::Hubs, request);
    for (const admin::HubsReply::Hub& hub : page.hubs()) {
      if (limit != 0 && list->hubs.size() >= limit) return false;
      list->hubs.push_back(hub);
    }
    if (!page.has_next()) return true;
    *request.mutable_after() = page.next();
  }
}

// Who owns each of them now.
std::map<std::string, std::vector<uint32_t>> ByOwner(ClusterClient* cluster,
                                                     const std::vector<uint32_t>& shards) {
  std::map<std::string, std::vector<uint32_t>> owners;
  const admin::ShardsReply all = cluster->Ask(&Stub::Shards, admin::ShardsRequest());
  for (const uint32_t shard : shards) {
    const auto found = std::ranges::find(all.shards(), shard, &admin::Shard::shard);
    if (found == all.shards().end()) {
      throw Failure(Exit::kNotFound, fmt::format("There is no shard {}: this cluster has 0 to {}.", shard,
                                                 all.shards_size() - 1));
    }
    owners[found->owner()].push_back(shard);
  }
  return owners;
}

// What is migrated is the hub's whole shard, which there always is. That the hub cannot be looked at (its store is
// away, say) is no reason against it.
void FailIfUnknown(ClusterClient* cluster, const std::string& hub) {
  admin::HubRequest request;
  request.set_hub(hub);
  try {
    cluster->Ask(&Stub::Hub, request);
  } catch (const Failure& failure) {
    if (failure.exit() == Exit::kNotFound) throw;
  }
}

}  // namespace

void Members(ClusterClient* cluster, Form form) { Print(ShowMembers(cluster->members(), WallMs(), form)); }

void Shards(ClusterClient* cluster, const std::string& owner, bool summary, Form form) {
  admin::ShardsRequest request;
  request.set_owner(owner);
  const admin::ShardsReply reply = cluster->Ask(&Stub::Shards, request);
  Print(summary ? ShowShardSummary(reply, form) : ShowShards(reply, form));
}

void Config(ClusterClient* cluster, const ConfigQuery& query, Form form) {
  std::vector<ConfigOf> all;
  const auto ask = [&](const std::string& member) {
    admin::ConfigRequest request;
    request.set_member(member);
    const admin::ConfigReply reply = cluster->Ask(&Stub::Config, request);
    all.push_back({"statekeeper " + reply.member(), reply});
  };
  if (!query.statekeeper.empty()) {
    ask(query.statekeeper);
  } else {
    for (const admin::Member& member : cluster->members().members()) ask(member.id());
  }
  for (const std::string& address : query.gateways) {
    admin::ConfigReply reply;
    google::protobuf::util::JsonParseOptions lenient;
    lenient.ignore_unknown_fields = true;  // it may be of a later version
    if (!google::protobuf::util::JsonStringToMessage(AdminPage(address, "/config", query.timeout), &reply,
                                                     lenient)
             .ok()) {
      throw Failure(Exit::kFailed, fmt::format("what {} says at /config cannot be read", address));
    }
    all.push_back({fmt::format("{} at {}", reply.process(), address), reply});
  }
  if (query.changed) {
    for (ConfigOf& each : all) {
      auto* settings = each.reply.mutable_settings();
      settings->erase(std::remove_if(settings->begin(), settings->end(),
                                     [](const auto& setting) {
                                       return setting.source() == "default" && setting.pending().empty();
                                     }),
                      settings->end());
    }
  }
  Print(ShowConfig(all, form));
}

void Hubs(ClusterClient* cluster, const HubQuery& query, Form form) {
  admin::HubsRequest request;
  request.set_hub_class(query.hub_class);
  request.set_awake(query.awake);
  HubList list;
  if (query.shard.has_value()) {
    request.set_shard(*query.shard);
    list.complete = AddPages(cluster, request, query.limit, &list);
  } else {
    bool answered = false;
    std::optional<Failure> refusal;
    std::vector<std::string> gone;
    for (const admin::Member& member : cluster->members().members()) {
      request.set_member(member.id());
      try {
        list.complete = AddPages(cluster, request, query.limit, &list) && list.complete;
        answered = true;
      } catch (const Failure& failure) {
        if (failure.exit() != Exit::kNotFound) throw;
        refusal = failure;
        gone.push_back(member.id());
        list.complete = false;
      }
      if (query.limit != 0 && list.hubs.size() >= query.limit) break;
    }
    // One may have gone meanwhile. That all say so means that it is the class which there is not.
    if (!answered && refusal.has_value()) throw Failure(*refusal);
    for (const std::string& id : gone) {
      Remark(fmt::format("statekeeper {} has gone meanwhile; some of its hubs may be missing here.", id));
    }
    if (cluster->members().ownerless() > 0) {
      Remark(fmt::format("{} shards have no living owner right now; their hubs are not shown.",
                         cluster->members().ownerless()));
      list.complete = false;
    }
  }
  std::ranges::sort(list.hubs, {}, [](const admin::HubsReply::Hub& hub) { return hub.hub(); });
  Print(ShowHubs(list, form));
}

void Hub(ClusterClient* cluster, const std::string& hub, Form form) {
  admin::HubRequest request;
  request.set_hub(hub);
  Print(ShowHub(cluster->Ask(&Stub::Hub, request), WallMs(), form));
}

void Connections(ClusterClient* cluster, const std::string& hub, uint64_t limit, Form form) {
  ConnectionList list{hub, {}, false};
  admin::ConnectionsRequest request;
  request.set_hub(hub);
  while (!list.complete && (limit == 0 || list.connections.size() < limit)) {
    request.set_limit(
        limit == 0 ? 0 : static_cast<uint32_t>(std::min<uint64_t>(limit - list.connections.size(), 1000)));
    const admin::ConnectionsReply page = cluster->Ask(&Stub::Connections, request);
    list.connections.insert(list.connections.end(), page.connections().begin(), page.connections().end());
    list.complete = page.complete() || page.connections().empty();
    if (!list.complete) request.set_after(list.connections.back().id());
  }
  Print(ShowConnections(list, WallMs(), form));
}

void Hibernate(ClusterClient* cluster, const std::string& hub, Form form) {
  admin::HibernateRequest request;
  request.set_hub(hub);
  Print(ShowHibernated(hub, cluster->Ask(&Stub::Hibernate, request), form));
}

void Evict(ClusterClient* cluster, const EvictTarget& target, const std::string& mode, Form form) {
  admin::EvictRequest request;
  request.set_mode(mode == "close" ? admin::EvictRequest::CLOSE : admin::EvictRequest::MIGRATE);
  std::vector<admin::EvictReply> replies;
  if (!target.hub.empty()) {
    if (mode != "close") FailIfUnknown(cluster, target.hub);
    request.set_hub(target.hub);
    replies.push_back(cluster->Ask(&Stub::Evict, request));
  } else if (!target.statekeeper.empty()) {
    request.set_member(target.statekeeper);
    replies.push_back(cluster->Ask(&Stub::Evict, request));
  } else {
    for (const auto& [owner, shards] : ByOwner(cluster, target.shards)) {
      *request.mutable_shards()->mutable_shards() = {shards.begin(), shards.end()};
      replies.push_back(cluster->Ask(&Stub::Evict, request));
    }
  }
  Print(ShowEvicted(mode, replies, form));
}

void Drain(ClusterClient* cluster, const std::string& statekeeper, bool undo, bool wait, Form form) {
  admin::DrainRequest request;
  request.set_member(statekeeper);
  request.set_undo(undo);
  request.set_wait(wait);
  Print(ShowDrained(request, cluster->Ask(&Stub::Drain, request), form));
}

}  // namespace dormouse
