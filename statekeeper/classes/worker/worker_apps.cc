#include "statekeeper/classes/worker/worker_apps.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/logging.h"
#include "statekeeper/classes/worker/worker_class.h"

namespace dormouse {
namespace {

constexpr int64_t kReadyPatienceMs = 10'000;

// From now on that is found there, without a moment in which nothing is.
void PointTo(const std::string& place, const std::string& link) {
  std::error_code failed;
  const std::string beside = link + ".new";
  std::filesystem::remove(beside, failed);
  std::filesystem::create_symlink(place, beside, failed);
  if (!failed) std::filesystem::rename(beside, link, failed);
  if (failed) SPDLOG_ERROR("gateways do not find the app's HTTP at {}: {}", link, failed.message());
}

}  // namespace

WorkerApps::~WorkerApps() {
  std::error_code none;
  if (std::filesystem::is_symlink(config_.http_socket, none))
    std::filesystem::remove(config_.http_socket, none);
}

bool WorkerApps::HasChanged(const Options& options) const {
  if (options.app.empty()) return false;
  std::string wrong;
  const std::optional<AppManifest> manifest = AppManifest::Read(options.app, &wrong);
  if (!manifest) SPDLOG_ERROR("the app stays as it is: {}", wrong);
  return manifest && (current_ == nullptr || current_->manifest().version != manifest->version);
}

bool WorkerApps::Register(const Options& options, HubClassRegistry* classes, std::string* error) {
  const std::shared_ptr<WorkerApp> proposed = std::exchange(proposed_, nullptr);
  if (proposed != nullptr) {
    if (HasName(proposed->manifest(), *classes, error)) return false;
    Adopt(proposed);
    if (proposed->manifest().http) PointTo(proposed->http_place(), config_.http_socket);
  } else if (!options.app.empty()) {
    std::optional<AppManifest> manifest = AppManifest::Read(options.app, error);
    if (!manifest || HasName(*manifest, *classes, error)) return false;
    if ((current_ == nullptr || current_->manifest().version != manifest->version) &&
        !StartFrom(*std::move(manifest), error)) {
      return false;
    }
  }
  if (current_ == nullptr) return true;
  for (const AppManifest::Class& each : current_->manifest().classes)
    classes->Register(NewWorkerClass(current_, each));
  return true;
}

bool WorkerApps::StartFrom(AppManifest manifest, std::string* error) {
  WorkerApp::Config config = ConfigOf(std::move(manifest));
  config.http_socket = config_.http_socket;
  std::shared_ptr<WorkerApp> next = WorkerApp::New(std::move(config), error);
  if (next == nullptr) return false;
  next->Start();
  if (!next->AwaitReady(kReadyPatienceMs)) {
    *error = fmt::format("version {} of app {} does not come up (its worker's output says why){}",
                         next->manifest().version, next->manifest().name,
                         current_ == nullptr ? "" : "; the one before goes on");
    return false;
  }
  Adopt(std::move(next));
  return true;
}

std::shared_ptr<WorkerApp> WorkerApps::Start(AppManifest manifest, std::string* error) const {
  WorkerApp::Config config = ConfigOf(std::move(manifest));
  config.keeps_output = true;
  std::shared_ptr<WorkerApp> app = WorkerApp::New(std::move(config), error);
  if (app != nullptr) app->Start();
  return app;
}

WorkerApp::Config WorkerApps::ConfigOf(AppManifest manifest) const {
  WorkerApp::Config config;
  config.manifest = std::move(manifest);
  config.run_directory = config_.run_directory;
  config.lanes = config_.lanes;
  config.timeout_ms = config_.timeout_ms;
  config.max_memory = config_.max_memory;
  config.call_timeout_ms = config_.call_timeout_ms;
  config.caller = config_.caller;
  return config;
}

bool WorkerApps::HasName(const AppManifest& manifest, const HubClassRegistry& classes,
                         std::string* error) const {
  for (const AppManifest::Class& each : manifest.classes) {
    if (classes.Find(each.name) == nullptr) continue;
    *error = fmt::format("the app's class {} has the name of a class that there is already", each.name);
    return true;
  }
  return false;
}

void WorkerApps::Adopt(std::shared_ptr<WorkerApp> next) {
  if (current_ != nullptr) {
    current_->Supersede();
    former_.push_back(std::move(current_));
  }
  current_ = std::move(next);
  SPDLOG_INFO("version {} of app {} is live", current_->manifest().version, current_->manifest().name);
}

}  // namespace dormouse
