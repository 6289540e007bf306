// An app that runs in a worker: its process, and what each lane has of it. One version of it; the next version is
// another one, beside this until its hubs have moved.
//
// Threading: made, started and superseded on the main thread; the rest on each lane's own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "statekeeper/classes/worker/app_manifest.h"
#include "statekeeper/classes/worker/worker_lane.h"
#include "statekeeper/classes/worker/worker_process.h"
#include "statekeeper/hub/hub_caller.h"

struct ev_loop;

namespace dormouse {

class WorkerApp {
 public:
  struct Config {
    AppManifest manifest;
    std::string run_directory;  // private to this user; where sockets are made
    std::string http_socket;    // where its workers serve HTTP; empty: at http_place() of its own
    bool keeps_output = false;  // WhyNotUp is wanted
    uint32_t lanes = 1;
    int64_t timeout_ms = 0;       // option worker-timeout
    uint64_t max_memory = 0;      // option worker-memory
    int64_t call_timeout_ms = 0;  // option call-timeout
    HubCaller* caller = nullptr;  // outlives it
  };

  // nullptr: `*error` is a sentence.
  static std::shared_ptr<WorkerApp> New(Config config, std::string* error);
  ~WorkerApp();
  WorkerApp(const WorkerApp&) = delete;
  WorkerApp& operator=(const WorkerApp&) = delete;

  const AppManifest& manifest() const { return config_.manifest; }
  void Start() { process_->Start(); }
  // Waits until its worker has loaded the code and connects. False: it has ended first, or takes too long.
  bool AwaitReady(int64_t patience_ms) const;
  // The same without waiting: it could be used. And whether it never will be, and why.
  bool IsUp() const;
  bool has_failed() const { return process_->has_failed(); }
  std::string WhyNotUp() const { return process_->LastWords(); }
  // Where its workers serve HTTP.
  std::string http_place() const;
  // Another version has taken over: after a while, in which its hubs end what they have begun, its worker ends.
  void Supersede();

  // See WorkerLane; on the thread of lane 0.
  void EndHttp(std::function<void()> done);

  // See HubClass; once for each of its classes.
  void BeginLane(uint32_t lane, struct ev_loop* loop);
  void EndLane(uint32_t lane);
  // nullptr: it has not begun, or has ended.
  std::shared_ptr<WorkerLane> lane(uint32_t lane);

 private:
  explicit WorkerApp(Config config) : config_(std::move(config)) {}
  bool Listen(std::string* error);
  bool IsUpWithin(int patience_ms) const;

  struct Seat {
    int listener = -1;
    uint32_t users = 0;  // classes
    std::shared_ptr<WorkerLane> lane;
  };

  const Config config_;
  std::string directory_;  // of its sockets
  std::unique_ptr<WorkerProcess> process_;
  const std::shared_ptr<std::atomic<uint32_t>> suspect_lane_ = std::make_shared<std::atomic<uint32_t>>(0);
  std::mutex mutex_;
  std::vector<Seat> seats_;
  std::atomic<bool> superseded_{false};
  std::thread farewell_;
  std::mutex farewell_mutex_;
  std::condition_variable farewell_changed_;
  bool ended_ = false;
};

}  // namespace dormouse
