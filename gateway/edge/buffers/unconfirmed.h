// What was written to one socket and is not known to be with its client: kept, since the socket may turn out
// to have led nowhere (a phone in a tunnel, a proxy whose other side is gone). That the kernel took it, and
// even that the peer's kernel has acknowledged it, says nothing of that.
//
// The client is asked with a ping: its pong says that its machine has all that was written before (RFC 6455,
// 5.5.3 and 5.4: frames are taken in order). It is asked when something has been here for a while and the
// client is heard, when much is here, or before its socket is closed: so neither an idle socket nor a single
// message costs a ping.
//
// A pong is not the program's word: a browser answers pings for a page that is frozen, and when that thaws,
// ends the connection and throws away what it had not handed to it. So what was answered is kept on, as what
// the client may have, until its program has said something a while after the pong, and the connection has
// lived for a while after that (a page that thaws can still say something).
//
// One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/buffers/outbound_queue.h"
#include "gateway/edge/rules/outbound_limits.h"
#include "proto/takeover.pb.h"

namespace dormouse::edge {

struct Connection;

class Unconfirmed {
 public:
  // A message is asked for once it has been here for so long,
  static constexpr int64_t kAskAfterMs = 5'000;
  // or when so much came since the last question.
  static constexpr size_t kAskMessages = 32;
  static constexpr size_t kAskBytes = 64u << 10;
  // From the machine's answer until a program that runs has surely taken what the machine had.
  static constexpr int64_t kTakenAfterMs = 250;
  // From what a program says until the end of a connection that it was said into in vain would be seen.
  static constexpr int64_t kEndedAfterMs = 2'000;

  // `budget` outlives this.
  explicit Unconfirmed(OutboundBudget* budget) : budget_(budget) {}
  ~Unconfirmed();
  Unconfirmed(const Unconfirmed&) = delete;
  Unconfirmed& operator=(const Unconfirmed&) = delete;

  // Keeps the newest, and beyond the bounds drops the oldest. True: so much is here that it is time to ask.
  bool Add(OutboundQueue::Frame frame, const KeptOutputLimits& bounds, int64_t now_ms);
  // The client's program was heard. True: it is time to ask.
  bool OnMessage(int64_t now_ms);
  // Whether there is something that its machine has not answered for.
  bool HasUnanswered() const { return written_ > answered_; }
  // The payload of a ping that is written now.
  std::string MakePing();
  // A pong. False: it answers no question of ours.
  bool OnPong(std::string_view payload, int64_t now_ms);

  // Nothing is kept, nothing was lost.
  bool empty() const { return written_ == confirmed_; }
  // For want of memory: what was answered but the newest, which tells who has it that nothing is missing;
  // what was answered; or all.
  void DropAnsweredButLast();
  void DropAnswered();
  void Drop();
  // Of what was answered.
  uint64_t answered_memory() const { return answered_memory_; }
  // How many are not kept any more, being older than those that are; of those that were answered, and of
  // those that were not.
  uint64_t lost_answered() const { return std::min(answered_, written_ - size()) - confirmed_; }
  uint64_t lost_unanswered() const { return written_ - size() - std::min(answered_, written_ - size()); }

  // All that is kept, oldest first. The first `answered` of them the client may have.
  struct Taken {
    std::vector<OutboundQueue::Frame> frames;
    size_t answered = 0;
    uint64_t lost_answered = 0;
    uint64_t lost_unanswered = 0;
  };
  // The connection has ended.
  Taken Take(int64_t now_ms);

  // --- For this process's successor. Frames are saved apart, oldest first (frame_state.h).
  void Save(takeover::Kept* to) const;
  // What is kept of the oldest but `i` of them.
  size_t kept() const { return size(); }
  OutboundQueue::Frame KeptFrame(size_t i) const;
  // Of a fresh one.
  void Restore(const takeover::Kept& from);
  // The next of as many as Restore was told of.
  void RestoreFrame(OutboundQueue::Frame frame);

  // The edge's list of those that have something kept (Outbound).
  std::list<Connection*>::iterator place;

 private:
  struct Kept {
    std::string head;
    SharedBody body;
    uint32_t memory = 0;  // as counted
    bool compressed = false;

    size_t size() const { return head.size() + (body == nullptr ? 0 : body->size()); }
  };

  bool ping_pending() const { return asked_ > answered_; }
  size_t size() const { return frames_.size() - first_; }
  void Push(Kept kept);
  void DropOldest();
  void DropUntil(uint64_t number);
  // A program that is heard now has taken what was answered long enough ago.
  void UpdateTaken(int64_t now_ms);
  // The connection lives on.
  void Confirm(int64_t now_ms);

  OutboundBudget* const budget_;
  std::vector<Kept> frames_;  // from first_ on, oldest first
  size_t first_ = 0;
  size_t bytes_ = 0;  // of them
  // Messages are numbered from 1: so many were written, asked for, and answered. Of those a running program
  // has taken `taken_`, and `settling_` a while after settling_ms_; it spoke after `spoken_`, and had
  // `confirmed_`.
  uint64_t written_ = 0;
  uint64_t asked_ = 0;
  uint64_t answered_ = 0;
  uint64_t settling_ = 0;
  uint64_t taken_ = 0;
  uint64_t spoken_ = 0;
  uint64_t confirmed_ = 0;
  size_t unasked_bytes_ = 0;
  int64_t since_ms_ = 0;  // SteadyMs() since when the oldest open one has been here, or later
  int64_t answered_ms_ = 0;
  int64_t settling_ms_ = 0;
  int64_t spoken_ms_ = 0;
  uint64_t memory_ = 0;  // as counted in the budget; so is the next
  uint64_t answered_memory_ = 0;
  uint64_t missing_ = 0;  // frames that are yet to be restored
};

}  // namespace dormouse::edge
