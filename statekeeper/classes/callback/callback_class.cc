#include "statekeeper/classes/callback/callback_class.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <utility>

#include "common/auth/key_file.h"
#include "common/loop/task_queue.h"
#include "statekeeper/classes/callback/callback_hub.h"

namespace dormouse {
namespace {

constexpr uint64_t kOutboundLimit = 16u << 20;  // bytes that a slow client may leave at its gateway

// The lane that this thread runs.
thread_local uint32_t callback_lane = 0;

class CallbackClass : public HubClass {
 public:
  CallbackClass(std::shared_ptr<CallbackEndpoint> endpoint, std::shared_ptr<CallbackSender> sender)
      : endpoint_(std::move(endpoint)), sender_(std::move(sender)) {
    const CallbackSettings& settings = endpoint_->settings;
    profile_.set_name(settings.name);
    for (const std::string& path : settings.routes) profile_.add_routes()->set_path(path);
    profile_.set_max_message_size(settings.max_message_size);
    profile_.set_outbound_limit(kOutboundLimit);
    profile_.set_outbound_pause(kOutboundLimit / 2);
    profile_.set_outbound_resume(kOutboundLimit / 4);
  }

  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override {
    const std::lock_guard lock(mutex_);
    const auto lane = lanes_.find(callback_lane);
    return std::make_unique<CallbackHub>(endpoint_, sender_, lane == lanes_.end() ? nullptr : lane->second);
  }
  bool waits_for_store() const override { return true; }
  bool closes_failed() const override { return true; }
  void BeginLane(uint32_t lane, struct ev_loop* loop) const override {
    callback_lane = lane;
    const std::lock_guard lock(mutex_);
    lanes_[lane] = std::make_shared<TaskQueue>(loop);
  }
  void EndLane(uint32_t lane) const override {
    const std::lock_guard lock(mutex_);
    const auto at = lanes_.find(lane);
    if (at == lanes_.end()) return;
    at->second->Close();
    lanes_.erase(at);
  }
  void UseMetrics(prometheus::Registry* registry) override { endpoint_->UseMetrics(registry); }

 private:
  const std::shared_ptr<CallbackEndpoint> endpoint_;
  const std::shared_ptr<CallbackSender> sender_;
  link::ClassProfile profile_;
  mutable std::mutex mutex_;
  mutable std::map<uint32_t, std::shared_ptr<TaskQueue>> lanes_;
};

}  // namespace

bool CallbackClasses::Read(const std::string& path, std::string* error) {
  auto all = ReadCallbacks(path, error);
  if (!all) return false;
  std::vector<std::shared_ptr<CallbackEndpoint>> endpoints;
  for (CallbackSettings& settings : *all) {
    auto secrets = WebhookSecrets::Read(settings.secret_file, error);
    if (secrets == nullptr) return false;
    if (!settings.ca_file.empty() && !ReadKeyFile("callbacks", settings.ca_file, error)) return false;
    endpoints.push_back(std::make_shared<CallbackEndpoint>(std::move(settings), std::move(secrets)));
  }
  endpoints_ = std::move(endpoints);
  sender_ = std::make_shared<CallbackSender>();
  return true;
}

bool CallbackClasses::Register(const Options& options, HubClassRegistry* classes, std::string* error) {
  if (options.callbacks.empty()) return true;
  if (!is_read_ && !Read(options.callbacks, error)) return false;
  is_read_ = true;
  for (const auto& endpoint : endpoints_) {
    if (classes->Find(endpoint->settings.name) != nullptr) {
      *error = fmt::format("--callbacks: {}: there is a hub class {} already", options.callbacks,
                           endpoint->settings.name);
      return false;
    }
    classes->Register(std::make_unique<CallbackClass>(endpoint, sender_));
  }
  return true;
}

}  // namespace dormouse
