// What this member keeps telling the others (Note of proto/peer.proto): that it lives, whether it reaches the
// store, and that there is something new to read there. At once where it is new, else now and then.
//
// Times are passed in. Threading: the ownership's thread.
#pragma once

#include <functional>

#include "common/time.h"
#include "proto/peer.pb.h"

namespace dormouse {

class PeerNotes {
 public:
  explicit PeerNotes(std::function<void(const peer::Note&)> tell) : tell_(std::move(tell)) {}

  // The others find something new in the store.
  void MarkNews() { has_news_ = true; }
  bool has_news() const { return has_news_; }
  // To be called often.
  void Tell(bool reaches_store, SteadyTime now);

 private:
  const std::function<void(const peer::Note&)> tell_;
  peer::Note note_;
  bool has_news_ = false;
  SteadyTime told_;
};

}  // namespace dormouse
