#include "statekeeper/admin/find_member.h"

#include <fmt/format.h>

#include <algorithm>

namespace dormouse {
namespace {

using grpc::StatusCode;

const MemberView* ById(const ClusterView& view, std::string_view id) {
  const auto found = std::ranges::find(view.members, id, &MemberView::id);
  return found == view.members.end() ? nullptr : &*found;
}

}  // namespace

const MemberView* FindMember(const ClusterView& view, std::string_view name, grpc::Status* status) {
  const MemberView* found = nullptr;
  for (const MemberView& member : view.members) {
    if (name.empty()) continue;  // so is the address of a member that has none
    if (member.id == name || member.address == name) return &member;
    if (!member.id.starts_with(name)) continue;
    if (found != nullptr) {
      *status = {StatusCode::INVALID_ARGUMENT,
                 fmt::format("The ids of several statekeepers begin with {}: write more of it.", name)};
      return nullptr;
    }
    found = &member;
  }
  if (found == nullptr) {
    *status = {
        StatusCode::NOT_FOUND,
        fmt::format("No living statekeeper has the id or the address {}; dormousectl members shows them.",
                    name)};
  }
  return found;
}

const MemberView* FindOwner(const ClusterView& view, uint32_t shard, grpc::Status* status) {
  if (shard >= view.shard_count) {
    *status = {StatusCode::NOT_FOUND,
               fmt::format("There is no shard {}: this cluster has 0 to {}.", shard, view.shard_count - 1)};
    return nullptr;
  }
  const auto entry = std::ranges::find(view.shards, shard, &ShardEntry::shard);
  const MemberView* owner = entry == view.shards.end() ? nullptr : ById(view, entry->owner);
  if (owner == nullptr) {
    *status = {StatusCode::ABORTED,
               fmt::format("Nobody serves shard {} right now: the statekeeper that did is gone.", shard)};
  }
  return owner;
}

const MemberView* FindOwnerOfHub(const ClusterView& view, std::string_view hub, grpc::Status* status) {
  const size_t slash = hub.find('/');
  if (slash == 0 || slash == std::string_view::npos || !IsValidHubName(HubNameOf(hub))) {
    *status = {StatusCode::INVALID_ARGUMENT,
               "A hub is named CLASS/NAME, as in signal/default; NAME has 1-128 of the characters "
               "A-Z a-z 0-9 . _ ~ -"};
    return nullptr;
  }
  if (view.shard_count == 0) {
    *status = {StatusCode::ABORTED, "This statekeeper does not know the shards yet."};
    return nullptr;
  }
  return FindOwner(view, ShardOf(hub, view.shard_count), status);
}

const MemberView* FindSelf(const ClusterView& view, grpc::Status* status) {
  const auto found = std::ranges::find_if(view.members, &MemberView::is_self);
  if (found != view.members.end()) return &*found;
  *status = {StatusCode::ABORTED, "This statekeeper is not a member of the cluster yet, or not any more."};
  return nullptr;
}

std::vector<ShardId> ShardsOf(const ClusterView& view, const MemberView& member) {
  std::vector<ShardId> shards;
  for (const ShardEntry& entry : view.shards) {
    if (entry.owner == member.id) shards.push_back(entry.shard);
  }
  return shards;
}

const MemberView* FindOwnerOfAll(const ClusterView& view,
                                 const google::protobuf::RepeatedField<uint32_t>& shards,
                                 grpc::Status* status) {
  const MemberView* owner = nullptr;
  *status = {StatusCode::INVALID_ARGUMENT, "Name a hub, shards, or a statekeeper."};
  for (const uint32_t shard : shards) {
    const MemberView* one = FindOwner(view, shard, status);
    if (one == nullptr) return nullptr;
    if (owner != nullptr && one != owner) {
      *status = {StatusCode::FAILED_PRECONDITION,
                 fmt::format(
                     "Shards {} and {} have different owners (one may just have moved): evict those of each.",
                     shards[0], shard)};
      return nullptr;
    }
    owner = one;
  }
  return owner;
}

std::string SelfId(const ClusterView& view) {
  grpc::Status unused;
  const MemberView* self = FindSelf(view, &unused);
  return self == nullptr ? "" : self->id;
}

}  // namespace dormouse
