#include "statekeeper/runtime/hub/hub_object.h"

#include "common/clock.h"

namespace dormouse {

class HubObject::Port : public HubPort {
 public:
  explicit Port(const std::shared_ptr<HubObject>& object) : object_(object), life_(object->life_) {}

  void Resume(Resumption resumption) override {
    if (const auto object = Find())
      object->resume_({std::make_shared<HubPort::Resumption>(std::move(resumption)), life_});
  }
  void Hold(bool hold) override {
    if (const auto object = Find()) object->is_held_ = hold;
  }
  void Restart() override {
    if (const auto object = Find()) object->resume_({nullptr, life_});
  }

 private:
  std::shared_ptr<HubObject> Find() const {
    auto object = object_.lock();
    return object != nullptr && object->life_ == life_ ? object : nullptr;
  }

  const std::weak_ptr<HubObject> object_;
  const uint64_t life_;
};

void HubObject::Make(const HubContext::Surroundings& surroundings, HandlerClock* clock,
                     const std::shared_ptr<void>& owner) {
  clock->Begin({});
  std::unique_ptr<Hub> hub = hub_class_->NewHub();
  HubContext context(surroundings, WallMs(), HubContext::Access::kReadOnly);
  auto port = std::make_shared<Port>(std::shared_ptr<HubObject>(owner, this));
  context.set_port(port);
  hub->OnWake(context);
  hub_ = std::move(hub);
  port_ = std::move(port);
}

void HubObject::Drop() {
  hub_.reset();
  port_.reset();
  ++life_;
  is_held_ = false;
}

}  // namespace dormouse
