// Splits what one event sends by gateway: of each output one delivery for each gateway that has recipients of
// it, however many those are, into its session's open batch.
//
// Plain data; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "proto/packed.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/gateway_table.h"

namespace dormouse {

class DeliveryFanout {
 public:
  // What goes to a socket of a gateway that is gone.
  using Undeliverable =
      std::function<void(const EventOutput& event, const Output& output, const Output::To& to)>;

  DeliveryFanout(GatewayTable* gateways, Undeliverable undeliverable)
      : gateways_(gateways), undeliverable_(std::move(undeliverable)) {}

  // A gateway that got some of the outputs.
  struct Part {
    GatewaySession* gateway = nullptr;
    uint64_t batch = 0;  // that the last one went to

   private:
    friend class DeliveryFanout;
    uint32_t index = 0;   // of the next delivery of this cause
    bool wanted = false;  // the output at hand goes there
    std::vector<Recipient> recipients;
  };

  // Whether anything goes to a gateway other than the cause's own that is not gone.
  bool ReachesOthers(const EventOutput& event);
  // `mark_final`: nothing goes to others, and the last delivery says that it is that. The result lasts until
  // the next call.
  std::span<const Part> Send(const EventOutput& event, bool mark_final);

 private:
  // nullptr: the gateway is gone.
  Part* PartFor(GatewayId id);
  void SendOutput(const EventOutput& event, const Output& output, bool final);

  GatewayTable* const gateways_;
  const Undeliverable undeliverable_;
  std::vector<Part> parts_;  // the first part_count_ count; kept for their memory
  size_t part_count_ = 0;
};

}  // namespace dormouse
