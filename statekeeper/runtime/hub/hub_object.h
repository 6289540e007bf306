// The object of its class by which an awake hub handles events: made, and woken (Hub::OnWake), before the first one that
// needs it; dropped where what it knows may be wrong. The next one is another life: what the port (hub_port.h) of one
// that is gone still says is ignored.
//
// A class that is to take the place of the one before waits until nothing of the hub's is under way.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

class HubObject {
 public:
  using Resume = std::function<void(event::Resumed)>;

  // `resume` takes what the port says is to be resumed.
  HubObject(const HubClass* hub_class, Resume resume) : hub_class_(hub_class), resume_(std::move(resume)) {}

  // Makes it; there is none. On a fiber. `owner`: whose part this is.
  void Make(const HubContext::Surroundings& surroundings, HandlerClock* clock,
            const std::shared_ptr<void>& owner);
  void Drop();

  Hub* get() const { return hub_.get(); }  // nullptr: there is none
  const std::shared_ptr<HubPort>& port() const { return port_; }
  // Which object it is, or the next will be.
  uint64_t life() const { return life_; }
  // It wants to stay in memory (HubPort::Hold).
  bool is_held() const { return is_held_; }

  const HubClass* hub_class() const { return hub_class_; }
  void ChangeClass(const HubClass* next) { next_class_ = next; }
  bool has_next_class() const { return next_class_ != nullptr; }
  // From the next object on.
  void UseNextClass() { hub_class_ = std::exchange(next_class_, nullptr); }

 private:
  class Port;

  const HubClass* hub_class_;
  const HubClass* next_class_ = nullptr;
  const Resume resume_;
  std::unique_ptr<Hub> hub_;
  std::shared_ptr<HubPort> port_;
  uint64_t life_ = 0;
  bool is_held_ = false;
};

}  // namespace dormouse
