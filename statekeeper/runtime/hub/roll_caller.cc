#include "statekeeper/runtime/hub/roll_caller.h"

#include <limits>
#include <vector>

namespace dormouse {

void RollCaller::Begin() {
  const uint32_t generation = host_->roll_generation();
  if (!state_->existed()) return state_->SetCalledRoll(epoch_, generation);
  if (state_->HasCalledRoll(epoch_, generation)) return;
  const std::vector<GatewayId> linked = host_->Linked();
  if (linked.empty()) return;  // at the next wake
  std::set<GatewayId> gateways(linked.begin(), linked.end());
  for (const GatewayId gateway : state_->Gateways()) {
    if (host_->IsPresent(gateway)) gateways.insert(gateway);  // it may be about to link
  }
  for (const GatewayId gateway : gateways) Ask(gateway);
}

void RollCaller::Ask(GatewayId gateway) {
  if (under_way_.insert(gateway).second) queue_->Add(event::CallRoll{gateway});
}

void RollCaller::Handle(const event::CallRoll& call, HubContext* context) {
  context->CallRoll(call.gateway, state_->ConnectionsOf(call.gateway, std::numeric_limits<size_t>::max()));
  under_way_.erase(call.gateway);
  if (under_way_.empty()) state_->SetCalledRoll(epoch_, host_->roll_generation());
}

}  // namespace dormouse
