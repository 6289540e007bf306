// Closes all hubs of some shards of this process, a bounded number at once.
//
// Threading: callbacks of lanes' threads drive it; it goes on until all is done, something fails, or the call
// has ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/rpc/unary_call.h"
#include "proto/admin.pb.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class HubCloser : public std::enable_shared_from_this<HubCloser> {
 public:
  using Call = std::shared_ptr<UnaryCall<admin::EvictReply>>;

  HubCloser(LaneOperator* operators, std::vector<ShardId> shards, std::string owner, Call call);

  // Lists and closes as far as it may; answers the call at the end.
  void Go();

 private:
  enum class Step { kList, kClose, kWait, kEnd };
  Step NextStep() const;
  void List();
  void Close();
  void Listed(ShardId shard, OperatorStatus status, const std::vector<HubSummary>& hubs);
  void Closed(const std::string& hub, OperatorStatus status);
  void End();

  LaneOperator* const operators_;
  const std::vector<ShardId> shards_;
  const Call call_;

  std::mutex mutex_;  // guards what follows; not held while lanes are asked
  bool going_ = false;
  bool again_ = false;  // something came back while Go was at work
  size_t shard_ = 0;    // in shards_: the next to list
  std::string after_;   // its hubs up to here are listed
  bool listing_ = false;
  std::deque<std::string> found_;
  size_t closing_ = 0;
  grpc::Status failure_;
  admin::EvictReply reply_;
};

}  // namespace dormouse
