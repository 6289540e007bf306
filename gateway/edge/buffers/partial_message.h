// A message that comes in pieces, as long as it is not whole. What all of them hold together is bounded by a
// budget, which knows who costs the others most: when memory runs out, that is who has to go. One thread.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/takeover.pb.h"

namespace dormouse::edge {

class PartialBudget;

class PartialMessage
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // `owner`: the handle of its connection. Times are SteadyMs().
  PartialMessage(PartialBudget* budget, uint64_t owner, int64_t now_ms)
      : budget_(budget), owner_(owner), started_ms_(now_ms) {}
  ~PartialMessage() { Release(); }
  PartialMessage(const PartialMessage&) = delete;
  PartialMessage& operator=(const PartialMessage&) = delete;

  // False: there is no memory left for it; nothing was taken.
  bool Append(std::string_view piece, int64_t now_ms);
  // What is kept of a message that is too large, for who it is from, and its id: room for more than one long
  // field.
  static constexpr size_t kHead = 8'192;

  // It is too large: this piece, and what came before, is counted, and no more than its first kHead bytes are
  // kept.
  void Skip(std::string_view piece, int64_t now_ms);

  uint64_t owner() const { return owner_; }
  // What was kept, in one; nothing is kept any more.
  std::string Take();
  uint64_t size() const { return size_; }  // of what came, skipped or not
  // When the first piece came, or when its socket was read again after a pause of our making.
  int64_t started_ms() const { return started_ms_; }
  void Restart(int64_t now_ms);

  // What it costs others to wait for the rest: the memory that it holds, by the square of the time in which
  // it has made no headway. So a large message that comes along costs little, and one that only trickles
  // much.
  double Cost(int64_t now_ms) const;

  // For this process's successor; what was kept, and what it is to say of itself.
  std::string Copy() const;
  void Save(takeover::Partial* to) const;
  // Of a fresh one; within the budget or not.
  void Restore(const takeover::Partial& from, std::string_view kept);

 private:
  // A message is one string up to the first of these sizes, and then lies in blocks that grow with it up to
  // the second: copied whenever it grows, of a hundred that come along together, all would be in one turn.
  static constexpr uint64_t kGrowing = 8'192;
  static constexpr uint64_t kBlock = 65'536;

  bool Keep(std::string_view piece);
  void MakeHeadway(int64_t now_ms);
  void Release();

  PartialBudget* budget_;
  const uint64_t owner_;
  int64_t started_ms_;
  uint64_t size_ = 0;
  uint64_t held_ = 0;  // of the budget
  int64_t headway_ms_ = 0;
  uint64_t headway_size_ = 0;  // size_ then
  std::vector<std::string> blocks_;
  uint64_t kept_ = 0;  // bytes in them
  size_t room_ = 0;    // in the last of them
};

// Memory that the partial messages of all sockets may take, and what they take. Outlives them.
class PartialBudget {
 public:
  explicit PartialBudget(uint64_t limit) : limit_(limit) {}
  PartialBudget(const PartialBudget&) = delete;
  PartialBudget& operator=(const PartialBudget&) = delete;

  void set_limit(uint64_t limit) { limit_ = limit; }
  uint64_t used() const { return used_; }
  // The message of the highest cost, up to a factor of two; nullptr: none holds anything. Looks at one
  // message of each size.
  PartialMessage* Costliest(int64_t now_ms);

 private:
  friend class PartialMessage;
  using List = boost::intrusive::list<PartialMessage, boost::intrusive::constant_time_size<false>>;

  // Messages that hold memory, by the number of bits of how much. Each list in the order of headway: who has
  // made none for longest is the first.
  std::array<List, 65> by_size_;
  uint64_t limit_;
  uint64_t used_ = 0;
};

}  // namespace dormouse::edge
