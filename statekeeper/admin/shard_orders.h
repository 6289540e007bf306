// Orders of operators that take hubs and shards away from this statekeeper: evict, and drain.
//
// Threading: called on the completion thread, which never waits here; the calls are answered on any.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "common/rpc/unary_call.h"
#include "proto/admin.pb.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class ShardOrders {
 public:
  template <typename Reply>
  using Call = std::shared_ptr<UnaryCall<Reply>>;

  // All outlive it.
  ShardOrders(ClusterAdmin* cluster, LaneOperator* operators, prometheus::Registry* registry);

  // What the request names is this statekeeper's; its mode is migrate or close.
  void Evict(const ClusterView& view, const admin::EvictRequest& request,
             const Call<admin::EvictReply>& call) const;
  void Drain(const ClusterView& view, const admin::DrainRequest& request,
             const Call<admin::DrainReply>& call) const;

 private:
  void CloseOne(const std::string& hub, const std::string& self, const Call<admin::EvictReply>& call) const;

  ClusterAdmin* const cluster_;
  LaneOperator* const operators_;
  prometheus::Counter& evictions_to_migrate_;
  prometheus::Counter& evictions_to_close_;
};

}  // namespace dormouse
