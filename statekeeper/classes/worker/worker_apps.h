// The app that a statekeeper runs, version after version: what `workers.json` says when the process starts, and when it
// is told to look again (SIGHUP); or what operators have deployed (statekeeper/apps).
//
// Main thread, but for Start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/worker/worker_app.h"
#include "statekeeper/hub/registry.h"

namespace dormouse {

class WorkerApps {
 public:
  struct Config {
    std::string run_directory;
    std::string http_socket;
    uint32_t lanes = 1;
    HubCaller* caller = nullptr;  // outlives it
    int64_t timeout_ms = 0;       // options worker-timeout, worker-memory, call-timeout
    uint64_t max_memory = 0;
    int64_t call_timeout_ms = 0;
  };
  explicit WorkerApps(Config config) : config_(std::move(config)) {}
  ~WorkerApps();

  // Whether the app serves HTTP.
  bool serves_http() const { return current_ != nullptr && current_->manifest().http; }
  bool any() const { return current_ != nullptr; }
  // The version that is live; nullptr: there is none.
  const std::shared_ptr<WorkerApp>& current() const { return current_; }
  // Whether Register would find another version than the one before.
  bool HasChanged(const Options& options) const;
  // Registers the classes of the app: of the version that was proposed, of the directory that the options name, or of
  // the version that is live. One that is not the one before is started first where it was not proposed, and when its
  // worker does not come up the one before goes on: false, and `*error` is a sentence.
  bool Register(const Options& options, HubClassRegistry* classes, std::string* error);

  // A version beside the one that is live: its worker is started, and nothing else changes. nullptr: `*error` is a
  // sentence. Any thread.
  std::shared_ptr<WorkerApp> Start(AppManifest manifest, std::string* error) const;
  // The next Register makes this one, which is up, the live one; nullptr: none.
  void Propose(std::shared_ptr<WorkerApp> next) { proposed_ = std::move(next); }

 private:
  bool StartFrom(AppManifest manifest, std::string* error);
  WorkerApp::Config ConfigOf(AppManifest manifest) const;
  bool HasName(const AppManifest& manifest, const HubClassRegistry& classes, std::string* error) const;
  void Adopt(std::shared_ptr<WorkerApp> next);

  const Config config_;
  std::shared_ptr<WorkerApp> proposed_;
  std::shared_ptr<WorkerApp> current_;
  std::vector<std::shared_ptr<WorkerApp>> former_;  // hubs may be theirs still
};

}  // namespace dormouse
