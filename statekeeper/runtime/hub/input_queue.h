// What a hub has yet to handle, in order: the input gate of a hub. One event at a time leaves it, when the
// one before has been handled; so what arrives while a hub wakes, or while a handler waits for the store,
// waits here.
//
// Most join its end. What has to be handled before all else goes to its head: an event that is to be begun
// anew, the next step of one that is done in steps, a note about the event that stands there.
//
// Resumptions of events that have begun (hub_port.h) come before those that have not.
//
// Set aside. Of what happened whether or not the store can note it (a socket closed, a frame came back),
// nothing is refused while the store is away: it lies aside until it is tried again. What may not overtake it
// goes there, too.
//
// One lane's thread. Bounded by what gateways may have unsettled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

class InputQueue {
 public:
  bool empty() const { return events_.empty() && resumed_.empty(); }
  size_t size() const { return events_.size() + resumed_.size(); }
  // The next one. Not empty.
  const HubEvent& front() const { return resumed_.empty() ? events_.front() : resumed_.front(); }
  HubEvent Take();

  void Add(HubEvent event);
  // Behind other resumptions, before all else.
  void AddResumed(event::Resumed resumed) { resumed_.emplace_back(std::move(resumed)); }
  void AddFirst(HubEvent event);
  // Whether the ends of connections of vanished gateways come next.
  bool BeginsWithGoneGateway() const {
    return resumed_.empty() && !events_.empty() && Is<event::GatewayGone>(front());
  }
  // Behind those.
  void AddBehindGoneGateways(HubEvent event);

  // The first one of which `wanted` is true; nullptr: there is none.
  template <typename Wanted>
  const HubEvent* Find(const Wanted& wanted) const {
    const auto found = std::find_if(events_.begin(), events_.end(), wanted);
    return found == events_.end() ? nullptr : &*found;
  }
  // Takes that one out of its place.
  template <typename Wanted>
  std::optional<HubEvent> Extract(const Wanted& wanted) {
    const auto found = std::find_if(events_.begin(), events_.end(), wanted);
    if (found == events_.end()) return std::nullopt;
    HubEvent event = std::move(*found);
    events_.erase(found);
    return event;
  }

  // --- Set aside.
  bool has_aside() const { return !aside_.empty(); }
  // `in_order`: nothing that comes from gateways overtakes it.
  void SetAside(HubEvent event, bool in_order = false);
  bool keeps_order_aside() const { return all_wait_aside_; }
  // Whether this event, which comes next, must wait behind what lies aside: what comes back comes in order,
  // and the end of a recall behind it; and nothing overtakes a message.
  bool MustWaitAside(const HubEvent& event) const;
  std::vector<HubEvent> TakeAside();

  // Both, but for resumptions: in the order in which they would be handled.
  std::vector<HubEvent> TakeAll();
  // Both.
  void Clear();
  bool IsIdle() const { return empty() && aside_.empty(); }
  size_t bytes() const;

 private:
  std::deque<HubEvent> events_;
  std::deque<HubEvent> resumed_;
  std::vector<HubEvent> aside_;
  bool all_wait_aside_ = false;  // what comes from gateways
};

}  // namespace dormouse
