// What was written to one socket and is not known to be with its client: kept, since the socket may turn out
// to have led nowhere (a phone in a tunnel, a proxy whose other side is gone). That the kernel took it, and
// even that the peer's kernel has acknowledged it, says nothing of that.
//
// The client is asked with a ping: its pong says that it has all that was written before (RFC 6455, 5.5.3 and
// 5.4: frames are taken in order). It is asked when something has been here for a while and the client is
// heard, when much is here, or before its socket is closed: so neither an idle socket nor a single message
// costs a ping.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/outbound_queue.h"

namespace dormouse {

struct Connection;

// The most that is kept of one connection. No messages: nothing.
struct KeptBounds {
  uint32_t messages = 0;
  uint64_t bytes = 0;
};

class Unconfirmed {
 public:
  // A message is asked for once it has been here for so long,
  static constexpr int64_t kAskAfterMs = 5'000;
  // or when so much came since the last question.
  static constexpr size_t kAskMessages = 32;
  static constexpr size_t kAskBytes = 64u << 10;

  // `budget` outlives this.
  explicit Unconfirmed(OutboundBudget* budget) : budget_(budget) {}
  ~Unconfirmed();
  Unconfirmed(const Unconfirmed&) = delete;
  Unconfirmed& operator=(const Unconfirmed&) = delete;

  // Keeps the newest, and beyond the bounds drops the oldest. True: so much is here that it is time to ask.
  bool Keep(OutboundQueue::Frame frame, const KeptBounds& bounds, int64_t now_ms);
  // The client was heard: whether it is time to ask.
  bool IsDue(int64_t now_ms) const {
    return !asking() && written_ > confirmed_ && now_ms - since_ms_ >= kAskAfterMs;
  }
  // The payload of a ping that is written now.
  std::string Ask();
  // A pong. False: it answers no question of ours.
  bool Answer(std::string_view payload, int64_t now_ms);

  // Nothing is kept, nothing was lost.
  bool empty() const { return written_ == confirmed_; }
  // Drops all, for want of memory.
  void Drop();
  // How many are not kept any more, being older than those that are.
  uint64_t lost() const { return written_ - confirmed_ - size(); }
  std::vector<OutboundQueue::Frame> Take();

  // The edge's list of those that have something kept (Outbound).
  std::list<Connection*>::iterator place;

 private:
  bool asking() const { return asked_ > confirmed_; }
  size_t size() const { return frames_.size() - first_; }
  void DropOldest();

  struct Kept {
    std::string head;
    SharedBody body;
    uint32_t memory = 0;  // as counted
    bool compressed = false;

    size_t size() const { return head.size() + (body == nullptr ? 0 : body->size()); }
  };

  OutboundBudget* const budget_;
  std::vector<Kept> frames_;  // from first_ on, oldest first
  size_t first_ = 0;
  size_t bytes_ = 0;  // of them
  // Messages are numbered from 1: so many were written, asked for, confirmed.
  uint64_t written_ = 0;
  uint64_t asked_ = 0;
  uint64_t confirmed_ = 0;
  size_t unasked_bytes_ = 0;
  int64_t since_ms_ = 0;  // SteadyMs() since when the oldest has been here, or later
  uint64_t memory_ = 0;   // as counted in the budget
};

}  // namespace dormouse
