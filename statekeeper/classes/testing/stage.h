// Runs functions as handlers of a hub, for testing what works on a Context: writing needs a handler.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "statekeeper/hub/fake_context.h"

namespace dormouse {

class Stage {
 public:
  FakeContext& context() { return context_; }

  void Run(std::function<void()> step) {
    class_.step = std::move(step);
    context_.ClientSends(client_, "go");
  }

 private:
  class StageHub : public Hub {
   public:
    explicit StageHub(const std::function<void()>* step) : step_(step) {}
    void OnMessage(Context&, const Connection&, const Message&) override { (*step_)(); }

   private:
    const std::function<void()>* step_;
  };
  class StageClass : public HubClass {
   public:
    const link::ClassProfile& profile() const override { return profile_; }
    std::unique_ptr<Hub> NewHub() const override { return std::make_unique<StageHub>(&step); }
    std::function<void()> step;

   private:
    link::ClassProfile profile_;
  };

  StageClass class_;
  FakeContext context_{class_};
  const ConnectionId client_ = context_.ClientConnects();
};

}  // namespace dormouse
