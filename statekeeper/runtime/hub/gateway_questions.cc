#include "statekeeper/runtime/hub/gateway_questions.h"

#include <string>
#include <vector>

namespace dormouse {

void GatewayQuestions::Ask(const HubContext::Sequel& sequel, const std::shared_ptr<void>& owner) {
  const std::weak_ptr<GatewayQuestions> weak = std::shared_ptr<GatewayQuestions>(owner, this);
  open_ += sequel.recalls.size() + sequel.confirms.size();
  for (const ConnectionId& closed : sequel.recalls) {
    host_->Recall(closed, shard_, [weak, closed](std::vector<std::string> frames) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      --self->open_;
      for (std::string& frame : frames) self->deliver_(Returned(closed, std::move(frame)));
      self->deliver_(event::Recalled{closed});
    });
  }
  for (const ConnectionId& open : sequel.confirms) {
    EventOutput barrier;
    barrier.shard = shard_.shard;
    barrier.epoch = shard_.epoch;
    barrier.outputs.push_back({DeliveryKind::kBarrier, {{open, {}}}, false, ""});
    barrier.acknowledged = [weak, open] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      --self->open_;
      self->deliver_(event::Confirmed{open});
    };
    host_->Release(std::move(barrier));
  }
}

}  // namespace dormouse
