// The app that a statekeeper runs, version after version: what `workers.json` says when the process starts, and when it
// is told to look again (SIGHUP).
//
// Main thread.
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
  };
  explicit WorkerApps(Config config) : config_(std::move(config)) {}

  // Whether the app serves HTTP.
  bool serves_http() const { return current_ != nullptr && current_->manifest().http; }
  // Whether Register would find another version than the one before.
  bool HasChanged(const Options& options) const;
  // Registers the classes of the app that the options name, if they name one. A version that is not the one
  // before is started first, and when its worker does not come up the one before goes on: false, and `*error`
  // is a sentence.
  bool Register(const Options& options, HubClassRegistry* classes, std::string* error);

 private:
  const Config config_;
  std::shared_ptr<WorkerApp> current_;
  std::vector<std::shared_ptr<WorkerApp>> former_;  // hubs may be theirs still
};

}  // namespace dormouse
