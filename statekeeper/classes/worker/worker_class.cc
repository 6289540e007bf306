#include "statekeeper/classes/worker/worker_class.h"

#include "statekeeper/classes/worker/worker_hub.h"

namespace dormouse {
namespace {

constexpr uint64_t kOutboundLimit = 16u << 20;  // bytes that a slow client may leave at its gateway

// The lane that this thread runs.
thread_local uint32_t this_lane = 0;

class WorkerClass : public HubClass {
 public:
  WorkerClass(std::shared_ptr<WorkerApp> app, const AppManifest::Class& described) : app_(std::move(app)) {
    profile_.set_name(described.name);
    for (const std::string& path : described.routes) profile_.add_routes()->set_path(path);
    profile_.set_max_message_size(described.max_message_size);
    profile_.set_outbound_limit(kOutboundLimit);
    profile_.set_outbound_pause(kOutboundLimit / 2);
    profile_.set_outbound_resume(kOutboundLimit / 4);
  }

  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<WorkerHub>(app_->lane(this_lane)); }
  bool waits_for_store() const override { return true; }
  bool closes_failed() const override { return true; }
  void BeginLane(uint32_t lane, struct ev_loop* loop) const override {
    this_lane = lane;
    app_->BeginLane(lane, loop);
  }
  void EndLane(uint32_t lane) const override { app_->EndLane(lane); }

 private:
  const std::shared_ptr<WorkerApp> app_;
  link::ClassProfile profile_;
};

}  // namespace

std::unique_ptr<HubClass> NewWorkerClass(std::shared_ptr<WorkerApp> app,
                                         const AppManifest::Class& described) {
  return std::make_unique<WorkerClass>(std::move(app), described);
}

}  // namespace dormouse
