// Which of two gateways serves: the one that runs, or the successor that it has handed everything to. A word of
// memory that both processes have, written once, by a compare-and-exchange: of two that decide at the same moment
// exactly one wins, and what it was is known to whoever looks later, however the other ended.
//
// A gateway has one identity towards statekeepers, and a socket one record of what was sent on it: two processes that
// believe in them would repeat, lose and mix. So from the moment at which the first item of its state leaves, the one
// that runs (O below) does nothing but send it: it reads no socket, writes to none, and takes nothing from its links.
// It is free to go on only once it has *withdrawn*; its successor (N) touches nothing that it was given before it has
// *taken*.
//
//   word       who moves it               O                              N
//   open       -                          sends, stands still            reads, keeps, touches nothing
//   taken      N, once it has everything  leaves, closes its copies      serves
//   withdrawn  O, at its deadline, or     goes on as if nothing had      closes its copies, ends
//              when N is gone or refuses  happened
//
//   O is killed while it sends            N misses the end, and ends: what a killed gateway costs
//   O is killed when all is sent          nobody withdraws: N takes
//   O is stopped while it sends           N waits for its patience, and ends; O, continued, withdraws
//   O is stopped when all is sent         N takes; O, continued, sees that, and leaves
//   N is killed or stopped before         O withdraws: at once (the channel's end), or at its deadline. N, continued,
//                                         finds the word withdrawn, and ends
//   N is killed after it has taken        O leaves: N may have served. What a killed gateway costs
//   N is stopped after it has taken       O leaves: a stopped gateway, as any
//
// One object in each process, of the same descriptor. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace dormouse::takeover {

class Decision {
 public:
  // nullptr: the kernel has no memory for it.
  static std::unique_ptr<Decision> Make();
  // The same, of a descriptor that came from the other process, which it takes. nullptr: it is none of that kind.
  static std::unique_ptr<Decision> Of(int fd);
  ~Decision();
  Decision(const Decision&) = delete;
  Decision& operator=(const Decision&) = delete;

  // For the other process.
  int fd() const { return fd_; }
  // False: it was withdrawn.
  bool Take() { return Move(kTaken); }
  // False: it was taken.
  bool Withdraw() { return Move(kWithdrawn); }
  bool is_taken() const { return word_->load() == kTaken; }

 private:
  static constexpr uint32_t kOpen = 0;
  static constexpr uint32_t kTaken = 1;
  static constexpr uint32_t kWithdrawn = 2;

  Decision(int fd, std::atomic<uint32_t>* word) : fd_(fd), word_(word) {}
  // True: it is that now.
  bool Move(uint32_t to);

  const int fd_;
  std::atomic<uint32_t>* const word_;
};

}  // namespace dormouse::takeover
