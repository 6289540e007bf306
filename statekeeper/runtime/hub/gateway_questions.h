// What a hub asks gateways when the writes of an event are durable, and what it is told: to give back what a closed
// socket's client has not got (Context::Recall), and whether all that went to an open one has gone to it
// (Context::Confirm). Answers are events of the hub, which stays in memory for them.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "common/shard.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"

namespace dormouse {

class GatewayQuestions {
 public:
  using Deliver = std::function<void(HubEvent)>;

  // `host` outlives it.
  GatewayQuestions(const ShardEpoch& shard, HubHost* host, Deliver deliver)
      : shard_(shard), host_(host), deliver_(std::move(deliver)) {}

  // Whether none waits for its answer.
  bool empty() const { return open_ == 0; }
  // `owner`: whose part this is; who has gone hears of no answer.
  void Ask(const HubContext::Sequel& sequel, const std::shared_ptr<void>& owner);

 private:
  const ShardEpoch shard_;
  HubHost* const host_;
  const Deliver deliver_;
  size_t open_ = 0;
};

}  // namespace dormouse
