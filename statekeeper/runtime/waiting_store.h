// A lane's Store for code on a fiber: each call suspends that until it is answered. Whoever calls has asked
// FiberPool::MaySuspend.
//
// One lane's thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "statekeeper/runtime/fiber.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class WaitingStore {
 public:
  WaitingStore(Store* store, FiberPool* fibers) : store_(store), fibers_(fibers) {}

  StoreStatus Commit(ShardCommit commit) {
    StoreStatus status = StoreStatus::kOk;
    Fiber* const fiber = fibers_->current();
    store_->Commit(std::move(commit), [&, fiber](StoreStatus answer) {
      status = answer;
      fibers_->Resume(fiber);
    });
    fibers_->Suspend();
    return status;
  }

  StoreStatus Range(const std::string& hub, const std::string& first, const std::string& last, size_t limit,
                    RowPage* page) {
    StoreStatus status = StoreStatus::kOk;
    Fiber* const fiber = fibers_->current();
    store_->Range(hub, first, last, limit, [&, fiber](StoreStatus answer, RowPage rows) {
      status = answer;
      *page = std::move(rows);
      fibers_->Resume(fiber);
    });
    fibers_->Suspend();
    return status;
  }

  StoreStatus ListHubs(ShardId shard, const std::string& after, size_t limit,
                       std::vector<std::string>* names) {
    StoreStatus status = StoreStatus::kOk;
    Fiber* const fiber = fibers_->current();
    store_->ListHubs(shard, after, limit, [&, fiber](StoreStatus answer, std::vector<std::string> found) {
      status = answer;
      *names = std::move(found);
      fibers_->Resume(fiber);
    });
    fibers_->Suspend();
    return status;
  }

 private:
  Store* const store_;
  FiberPool* const fibers_;
};

}  // namespace dormouse
