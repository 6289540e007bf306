#include "statekeeper/admin/shard_orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/logging.h"
#include "statekeeper/admin/find_member.h"
#include "statekeeper/admin/hub_closer.h"
#include "statekeeper/admin/operator_status.h"

namespace dormouse {
namespace {

using grpc::StatusCode;

// What ownership says went wrong, passed on.
grpc::Status Refusal(const std::string& error) { return {StatusCode::FAILED_PRECONDITION, error}; }

prometheus::Counter& Evictions(prometheus::Registry* registry, const char* mode) {
  return prometheus::BuildCounter()
      .Name("dormouse_evictions_total")
      .Help("Orders of operators to take hubs or shards away from this statekeeper")
      .Register(*registry)
      .Add({{"mode", mode}});
}

}  // namespace

ShardOrders::ShardOrders(ClusterAdmin* cluster, LaneOperator* operators, prometheus::Registry* registry)
    : cluster_(cluster),
      operators_(operators),
      evictions_to_migrate_(Evictions(registry, "migrate")),
      evictions_to_close_(Evictions(registry, "close")) {}

void ShardOrders::Evict(const ClusterView& view, const admin::EvictRequest& request,
                        const Call<admin::EvictReply>& call) const {
  std::vector<ShardId> shards;
  const bool closes = request.mode() == admin::EvictRequest::CLOSE;
  (closes ? evictions_to_close_ : evictions_to_migrate_).Increment();
  if (request.has_hub() && closes) {
    CloseOne(request.hub(), SelfId(view), call);
    return;
  }
  if (request.has_hub()) {
    shards = {ShardOf(request.hub(), view.shard_count)};
  } else if (request.has_member()) {
    grpc::Status unused;
    shards = ShardsOf(view, *FindSelf(view, &unused));
  } else {
    const std::set<ShardId> once(request.shards().shards().begin(), request.shards().shards().end());
    shards.assign(once.begin(), once.end());
  }
  if (closes) {
    std::make_shared<HubCloser>(operators_, std::move(shards), SelfId(view), call)->Go();
    return;
  }
  admin::EvictReply done;
  done.set_owner(SelfId(view));
  done.set_shards(static_cast<uint32_t>(shards.size()));
  cluster_->Evict(std::move(shards), [call, done](const std::string& error) {
    if (error.empty()) return call->Answer(done);
    call->Refuse(Refusal(error));
  });
}

void ShardOrders::CloseOne(const std::string& hub, const std::string& self,
                           const Call<admin::EvictReply>& call) const {
  operators_->CloseHub(hub, [hub, self, call](OperatorStatus status) {
    if (status != OperatorStatus::kOk) return call->Refuse(ToGrpc(status, "Hub " + hub));
    admin::EvictReply done;
    done.set_owner(self);
    done.set_hubs(1);
    call->Answer(done);
  });
}

void ShardOrders::Drain(const ClusterView& view, const admin::DrainRequest& request,
                        const Call<admin::DrainReply>& call) const {
  const bool heir = std::ranges::any_of(view.members, [](const MemberView& member) {
    return !member.is_self && member.state == MemberState::kServing && !member.suspected;
  });
  if (!request.undo() && !heir) {
    call->Refuse(Refusal(fmt::format(
        "No other statekeeper serves that could take the shards of {}: start one first.", SelfId(view))));
    return;
  }
  admin::DrainReply done;
  done.set_member(SelfId(view));
  const bool waits = request.wait() && !request.undo();
  cluster_->Drain(!request.undo(), [call, done](const std::string& error) {
    if (error.empty()) return call->Answer(done);
    SPDLOG_WARN("drain: {}", error);
    call->Refuse(Refusal(error));
  });
  if (!waits) call->Answer(done);
}

}  // namespace dormouse
