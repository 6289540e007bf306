// The admin port of a process: /healthz (alive), /readyz (fit for traffic), /metrics (Prometheus text format;
// what a process has to say of itself as such is added here), /config (the configuration in effect, as JSON).
//
// Whatever others do at this port, an answer takes milliseconds: one thread of its own, an event loop, waits
// for nobody. Only so many visitors are there at a time; when one more comes, who came first must go. The
// callback and the registry must be safe to use from that thread, and quick.
#pragma once

#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/configuration.h"

namespace dormouse {

class AdminServer {
 public:
  struct Readiness {
    bool ready = false;
    std::string detail;  // why not, in a sentence
    // What is wrong beside that, each part of a sentence: shown in lines of their own, ready or not.
    std::vector<std::string> degraded = {};
  };

  // `address` is "HOST:PORT"; port 0 asks the kernel for a free one. Aborts start-up with a clear message (an
  // exception of type std::runtime_error) when the port cannot be had. `configuration` outlives it; nullptr:
  // there is nothing at /config. `listening`: a socket that listens already, which it takes, and where `address`
  // does not count; -1: none.
  AdminServer(const std::string& address, std::shared_ptr<prometheus::Registry> registry,
              std::function<Readiness()> readiness, const ConfigurationInEffect* configuration = nullptr,
              int listening = -1);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  int port() const;
  // For this process's successor.
  int listening() const;
  // Somebody else has the port: answers who is here already, so long at most.
  void Leave(int64_t patience_ms);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dormouse
