#include "statekeeper/link/delivery_fanout.h"

#include <algorithm>
#include <utility>

namespace dormouse {
namespace {

bool GoesTo(const Output& output, GatewayId id) {
  return std::ranges::any_of(output.to, [&](const Output::To& to) { return to.connection.gateway == id; }) ||
         std::ranges::find(output.also_to, id) != output.also_to.end();
}

// The last output that goes to this gateway.
size_t LastFor(GatewayId id, const EventOutput& event) {
  for (size_t i = event.outputs.size(); i-- > 0;) {
    if (GoesTo(event.outputs[i], id)) return i;
  }
  return event.outputs.size();
}

}  // namespace

bool DeliveryFanout::ReachesOthers(const EventOutput& event) {
  GatewayId absent = event.cause.gateway;  // known to be no reason; the last one looked up, too
  const auto is_other = [&](GatewayId id) {
    if (id == event.cause.gateway || id == absent) return false;
    absent = id;
    return gateways_->FindPresent(id) != nullptr;
  };
  return std::ranges::any_of(event.outputs, [&](const Output& output) {
    return std::ranges::any_of(output.to,
                               [&](const Output::To& to) { return is_other(to.connection.gateway); }) ||
           std::ranges::any_of(output.also_to, is_other);
  });
}

std::span<const DeliveryFanout::Part> DeliveryFanout::Send(const EventOutput& event, bool mark_final) {
  part_count_ = 0;
  const size_t last = mark_final ? LastFor(event.cause.gateway, event) : 0;
  for (size_t i = 0; i < event.outputs.size(); ++i)
    SendOutput(event, event.outputs[i], mark_final && i == last);
  return {parts_.data(), part_count_};
}

DeliveryFanout::Part* DeliveryFanout::PartFor(GatewayId id) {
  for (size_t i = 0; i < part_count_; ++i) {
    if (parts_[i].gateway->id() == id) return &parts_[i];
  }
  GatewaySession* gateway = gateways_->FindPresent(id);
  if (gateway == nullptr) return nullptr;
  if (part_count_ == parts_.size()) parts_.emplace_back();
  Part* part = &parts_[part_count_++];
  part->gateway = gateway;
  part->index = 0;
  return part;
}

void DeliveryFanout::SendOutput(const EventOutput& event, const Output& output, bool final) {
  // Recipients of one gateway mostly come in a row.
  GatewayId last = 0;
  Part* part = nullptr;
  for (const Output::To& to : output.to) {
    if (part == nullptr || to.connection.gateway != last) {
      last = to.connection.gateway;
      part = PartFor(last);
    }
    if (part == nullptr) {
      undeliverable_(event, output, to);
      continue;
    }
    part->wanted = true;
    part->recipients.push_back({to.connection.handle, to.head});
  }
  for (const GatewayId id : output.also_to) {
    if (Part* also = PartFor(id)) also->wanted = true;
  }
  for (size_t i = 0; i < part_count_; ++i) {
    Part& each = parts_[i];
    if (!std::exchange(each.wanted, false)) continue;
    each.batch = each.gateway->Deliver({.kind = output.kind,
                                        .final = final,
                                        .shard = event.shard,
                                        .epoch = event.epoch,
                                        .cause = event.cause,
                                        .index = each.index++,
                                        .return_to = output.return_to,
                                        .recipients = each.recipients,
                                        .has_heads = output.has_heads,
                                        .payload = output.payload});
    each.recipients.clear();
  }
}

}  // namespace dormouse
