#include "statekeeper/classes/worker/worker_apps.h"

#include <fmt/format.h>

#include "common/logging.h"
#include "statekeeper/classes/worker/worker_class.h"

namespace dormouse {
namespace {

constexpr int64_t kReadyPatienceMs = 10'000;

}  // namespace

bool WorkerApps::HasChanged(const Options& options) const {
  if (options.app.empty()) return false;
  std::string wrong;
  const std::optional<AppManifest> manifest = AppManifest::Read(options.app, &wrong);
  if (!manifest) SPDLOG_ERROR("the app stays as it is: {}", wrong);
  return manifest && (current_ == nullptr || current_->manifest().version != manifest->version);
}

bool WorkerApps::Register(const Options& options, HubClassRegistry* classes, std::string* error) {
  if (options.app.empty()) return true;
  std::optional<AppManifest> manifest = AppManifest::Read(options.app, error);
  if (!manifest) return false;
  for (const AppManifest::Class& each : manifest->classes) {
    if (classes->Find(each.name) == nullptr) continue;
    *error = fmt::format("the app's class {} has the name of a class that there is already", each.name);
    return false;
  }
  if (current_ == nullptr || current_->manifest().version != manifest->version) {
    WorkerApp::Config config;
    config.manifest = *manifest;
    config.run_directory = config_.run_directory;
    config.http_socket = config_.http_socket;
    config.lanes = config_.lanes;
    config.timeout_ms = options.worker_timeout.count();
    config.max_memory = options.worker_memory;
    config.call_timeout_ms = options.call_timeout.count();
    config.caller = config_.caller;
    std::shared_ptr<WorkerApp> next = WorkerApp::New(std::move(config), error);
    if (next == nullptr) return false;
    next->Start();
    if (!next->AwaitReady(kReadyPatienceMs)) {
      *error = fmt::format("version {} of app {} does not come up (its worker's output says why){}",
                           manifest->version, manifest->name,
                           current_ == nullptr ? "" : "; the one before goes on");
      return false;
    }
    if (current_ != nullptr) {
      current_->Supersede();
      former_.push_back(std::move(current_));
    }
    current_ = std::move(next);
    SPDLOG_INFO("version {} of app {} is live", manifest->version, manifest->name);
  }
  for (const AppManifest::Class& each : current_->manifest().classes)
    classes->Register(NewWorkerClass(current_, each));
  return true;
}

}  // namespace dormouse
