// Whether this gateway can serve, as its loop says it and the admin port's threads ask. Any thread.
#pragma once

#include <mutex>
#include <utility>

#include "common/http/admin_server.h"

namespace dormouse::edge {

class ReadinessReport {
 public:
  void Set(AdminServer::Readiness now) {
    const std::lock_guard lock(mutex_);
    readiness_ = std::move(now);
  }
  AdminServer::Readiness Get() const {
    const std::lock_guard lock(mutex_);
    return readiness_;
  }

 private:
  mutable std::mutex mutex_;
  AdminServer::Readiness readiness_;
};

}  // namespace dormouse::edge
