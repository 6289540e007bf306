// The events of a hub whose handlers have returned, and which are not done (hub_port.h): kept, in the order in which
// they came, until a resumption finishes them; or until their Hub object is gone, and they are to be handled again.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

class DeferredEvents {
 public:
  // Handlers may wait for what only a later event brings; those that wait for it have to fit.
  static constexpr size_t kMost = 4096;
  static constexpr size_t kMostBytes = 1u << 20;

  bool empty() const { return events_.empty(); }
  // No event is to begin, for too much is deferred.
  bool IsFull() const { return events_.size() >= kMost || bytes_ >= kMostBytes; }
  bool Has(uint64_t number) const { return events_.contains(number); }
  const HubEvent* Find(uint64_t number) const {
    const auto it = events_.find(number);
    return it == events_.end() ? nullptr : &it->second;
  }

  template <typename Wanted>
  bool Any(const Wanted& wanted) const {
    return std::ranges::any_of(events_, [&](const auto& each) { return wanted(each.second); });
  }

  void Add(uint64_t number, HubEvent event) {
    bytes_ += BytesOf(event);
    events_.emplace(number, std::move(event));
  }
  // Nothing: there is none of that number.
  std::optional<HubEvent> Take(uint64_t number) {
    const auto node = events_.extract(number);
    if (node.empty()) return std::nullopt;
    bytes_ -= BytesOf(node.mapped());
    return std::move(node.mapped());
  }
  // All, oldest first.
  std::map<uint64_t, HubEvent> TakeAll() {
    bytes_ = 0;
    return std::exchange(events_, {});
  }
  size_t bytes() const { return bytes_; }

 private:
  std::map<uint64_t, HubEvent> events_;
  size_t bytes_ = 0;
};

}  // namespace dormouse
