#include "statekeeper/classes/worker/worker_class.h"

#include <fmt/format.h>

#include "statekeeper/classes/worker/worker_hub.h"

namespace dormouse {
namespace {

constexpr size_t kIdSize = 64;                  // digits
constexpr uint64_t kOutboundLimit = 16u << 20;  // bytes that a slow client may leave at its gateway

// The lane that this thread runs.
thread_local uint32_t this_lane = 0;

class WorkerClass : public HubClass {
 public:
  WorkerClass(std::shared_ptr<WorkerApp> app, const AppManifest::Class& described)
      : app_(std::move(app)), has_ids_(described.ids) {
    profile_.set_name(described.name);
    for (const std::string& path : described.routes) profile_.add_routes()->set_path(path);
    profile_.set_max_message_size(described.max_message_size);
    profile_.set_outbound_limit(kOutboundLimit);
    profile_.set_outbound_pause(kOutboundLimit / 2);
    profile_.set_outbound_resume(kOutboundLimit / 4);
  }

  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<WorkerHub>(app_->lane(this_lane)); }
  std::string WhyNoHub(std::string_view name) const override {
    const bool is_id = name.size() == kIdSize && name.find_first_not_of("0123456789abcdef") == name.npos;
    if (!has_ids_ || is_id) return "";
    return fmt::format(
        "An object of class {} is called by its id, of {} digits, or by the name that the project gives it: "
        "{}/name:{}",
        profile_.name(), kIdSize, profile_.name(), name);
  }
  bool waits_for_store() const override { return true; }
  bool closes_failed() const override { return true; }
  void BeginLane(uint32_t lane, struct ev_loop* loop) const override {
    this_lane = lane;
    app_->BeginLane(lane, loop);
  }
  void EndLane(uint32_t lane) const override { app_->EndLane(lane); }

 private:
  const std::shared_ptr<WorkerApp> app_;
  const bool has_ids_;
  link::ClassProfile profile_;
};

}  // namespace

std::unique_ptr<HubClass> NewWorkerClass(std::shared_ptr<WorkerApp> app,
                                         const AppManifest::Class& described) {
  return std::make_unique<WorkerClass>(std::move(app), described);
}

}  // namespace dormouse
