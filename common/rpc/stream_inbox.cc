#include "common/rpc/stream_inbox.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace dormouse {
namespace {

// The loop has other things to do than to hand over what arrived, after so long.
constexpr int64_t kTurnMs = 4;

}  // namespace

StreamInbox::StreamInbox(struct ev_loop* loop, uint64_t max_bytes, Owner* owner)
    : loop_(loop), max_bytes_(max_bytes), owner_(owner), wake_(loop, [this] { HandOver(); }) {}

void StreamInbox::Close() {
  std::vector<Arrival> dropped;
  std::vector<std::shared_ptr<LinkStream>> parked;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(arrivals_);
    parked.swap(parked_);
  }
  wake_.Stop();
  handing_over_.clear();  // what there was no time for holds its streams, which wait for that
  handed_over_ = 0;
  for (const auto& stream : std::exchange(adopted_, {})) stream->Abort();
}

void StreamInbox::Adopt(std::shared_ptr<LinkStream> stream) { adopted_.insert(std::move(stream)); }

void StreamInbox::LetGo(const LinkStream* stream) {
  const auto at = std::ranges::find(adopted_, stream, &std::shared_ptr<LinkStream>::get);
  if (at == adopted_.end()) return;
  const auto last = *at;  // not within the set
  adopted_.erase(at);
}

void StreamInbox::Park(std::shared_ptr<LinkStream> stream) {
  const std::lock_guard lock(mutex_);
  if (!closed_) parked_.push_back(std::move(stream));
}

void StreamInbox::HandOverNow(Arrival& arrival) {
  if (wake_.is_active()) owner_->OnArrival(arrival);
}

void StreamInbox::EndTurn() {
  if (wake_.is_active()) owner_->OnArrivalsEnd();
}

bool StreamInbox::Put(Arrival arrival) {
  const bool is_message = arrival.kind == Arrival::kMessage || arrival.kind == Arrival::kOpened;
  const std::lock_guard lock(mutex_);
  if (closed_) return true;  // read on: that is how a stream learns of its end
  if (is_message) bytes_ += arrival.message.Length();
  const bool room = bytes_ < max_bytes_;
  if (is_message && !room) parked_.push_back(arrival.stream);
  const bool wake = arrivals_.empty();
  arrivals_.push_back(std::move(arrival));
  if (wake) wake_.Send();
  return room;
}

size_t StreamInbox::parked() const {
  const std::lock_guard lock(mutex_);
  return parked_.size();
}

void StreamInbox::Hold(bool hold) {
  held_ = hold;
  if (!hold) wake_.Send();
}

void StreamInbox::HandOver() {
  if (held_) return;
  if (!handing_over_.empty()) {
    wake_.Send();  // the rest from before a hold; what has come since follows
  } else {
    const std::lock_guard lock(mutex_);
    handing_over_.swap(arrivals_);
  }
  uint64_t bytes = 0;
  const int64_t end_ms = SteadyMs() + kTurnMs;
  while (!held_ && handed_over_ < handing_over_.size()) {
    if (bytes > 0 && SteadyMs() >= end_ms) {
      wake_.Send();
      break;
    }
    Arrival& arrival = handing_over_[handed_over_++];
    bytes += arrival.message.Length();
    owner_->OnArrival(arrival);
  }
  if (handed_over_ == handing_over_.size()) {
    handing_over_.clear();
    handed_over_ = 0;
  }
  owner_->OnArrivalsEnd();

  std::vector<std::shared_ptr<LinkStream>> resumed;
  {
    const std::lock_guard lock(mutex_);
    bytes_ -= bytes;
    if (bytes_ < max_bytes_) resumed.swap(parked_);
  }
  for (const auto& stream : resumed) stream->ReadNext();
}

}  // namespace dormouse
