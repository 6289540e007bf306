// For tests of the parts of an awake hub: what all of them work on, over a store in memory.
#pragma once

#include <string>

#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/hub/input_queue.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/testing/fake_host.h"

namespace dormouse {

struct HubParts {
  FakeHost host;
  std::string name = "test/hub";
  ShardEpoch shard{3, 7};
  HandlerClock clock{[] {}};
  HubState state{{name, host.reap_interval()}, host.store(), host.fibers(), &clock};
  InputQueue queue;
  HubContext::Surroundings surroundings{
      name,
      &state,
      &clock,
      [] { return size_t{0}; },
      &host.limits(),
      [](const std::vector<ConnectionId>& open, const GatewayLinks::Answered& done) {
        done(std::vector<int64_t>(open.size()));
      }};

  HubContext NewContext(int64_t now_ms) {
    return HubContext(surroundings, now_ms, HubContext::Access::kReadWrite);
  }
  // Reads the hub from what is stored.
  void Load() {
    state.Unload();
    host.fibers()->Run([this] { state.Load(); });
    host.hub_store.StepAll();
  }
  void Store(const stored::HubMeta& meta) { host.hub_store.hubs[name][kMetaRow] = meta.SerializeAsString(); }
};

}  // namespace dormouse
