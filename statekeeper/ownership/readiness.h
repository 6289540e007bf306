// Whether this member is ready: has joined the cluster and serves what it should; if not, why. And whether
// the store does nothing for it, which lanes that do not use it would not notice.
//
// Threading: Update on the ownership's thread, the rest from any.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

class Readiness {
 public:
  struct Facts {
    bool lease_is_good = false;
    bool is_suspect = false;
    std::string_view address = {};  // where others reach it, or not
    MemberState state = MemberState::kJoining;
    // All that it should own is served; or there was time enough, though others have not given it everything.
    bool is_complete = false;
    std::string_view store_is_unsafe = {};        // SyncAnswer::unsafe
    bool own_store_fails = false;                 // the one that it has to itself
    StoreReport store = {StoreState::kWell, ""};  // StoreSync::TroubleFor
  };

  void Update(const Facts& facts);

  // Empty: it is ready. Else why not, in a sentence.
  std::string NotReady() const;
  StoreReport store_report() const;
  // It has been complete once: what moves later makes nobody unready.
  bool was_complete() const { return was_complete_; }

 private:
  std::string Judge(const Facts& facts);

  bool was_complete_ = false;  // the ownership's thread
  mutable std::mutex mutex_;
  std::string not_ready_ = "it has not reached the store yet";
  StoreReport store_{StoreState::kWell, ""};
};

}  // namespace dormouse
