// Deliveries that events of other gateways caused here: how many of each cause went to sockets, for one
// shard, until the cause is settled for good. A cause that is handled again (its shard moved) is so delivered
// once.
//
// Plain data; one thread.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "common/ids.h"

namespace dormouse {

class ForeignCauses {
 public:
  // Whether to deliver the index-th delivery of this cause. It is counted then.
  bool AcceptOnce(GatewayId gateway, uint64_t sequence, uint32_t index) {
    uint32_t& delivered = delivered_[{gateway, sequence}];
    if (index < delivered) return false;
    delivered = index + 1;
    return true;
  }

  // Events first .. last of this gateway cannot come again, nor any before `below`.
  void Forget(GatewayId gateway, uint64_t first, uint64_t last, uint64_t below) {
    Erase(gateway, 0, below);
    if (first <= last) Erase(gateway, first, last + 1);
  }

  size_t size() const { return delivered_.size(); }

  // For this process's successor.
  void ForEach(
      absl::FunctionRef<void(GatewayId gateway, uint64_t sequence, uint32_t delivered)> visit) const {
    for (const auto& [cause, delivered] : delivered_) visit(cause.first, cause.second, delivered);
  }
  void Restore(GatewayId gateway, uint64_t sequence, uint32_t delivered) {
    delivered_.insert_or_assign({gateway, sequence}, delivered);
  }

 private:
  void Erase(GatewayId gateway, uint64_t begin, uint64_t end) {
    delivered_.erase(delivered_.lower_bound({gateway, begin}), delivered_.lower_bound({gateway, end}));
  }

  std::map<std::pair<GatewayId, uint64_t>, uint32_t> delivered_;
};

}  // namespace dormouse
