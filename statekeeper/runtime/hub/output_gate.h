// Lets out what handled events send once the writes beneath are durable: no client holds an answer that a
// crash can take back. And it gathers those writes: what the events of one turn of the lane write is one
// commit.
//
//   handled event --Hold--> writes: the next commit --TakeCommit--> store --> TakeDurable: it may leave
//                           output: waits, in order, with the number of the commit that it needs
//
// Events do not wait for commits: they run on top of what is not durable yet, until the gate is full
// (kMaxBytesInFlight of writes). What writes nothing needs the commits before it, for it may have read what
// they write.
//
// A commit that fails takes with it everything that was handled on top (RollBack, newest first). Whether the
// store has carried it out is unknown: until the hub has been read anew (in_doubt) it may build nothing on
// what it knows.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/store/store.h"

namespace dormouse {

// What an event lets out: with its cause, if its gateway waits for it to be settled.
EventOutput OutputOf(const HubEvent& event, const ShardEpoch& shard, std::vector<Output> outputs);

class OutputGate {
 public:
  static constexpr size_t kMaxBytesInFlight = 1u << 20;

  // An event that was handled, and what it lets out.
  struct Handled {
    HubEvent event;
    EventOutput output;
    HubContext::Sequel sequel;
    uint64_t number = 0;  // of its beginning, in the hub
  };

  // Whether nothing is behind it: what writes nothing may leave at once.
  bool IsOpen() const { return held_.empty(); }
  // Whether no event is to begin, for too much is on its way to the store.
  bool IsFull() const { return bytes_ >= kMaxBytesInFlight; }
  // Nothing is held, and no commit has been asked for.
  bool IsIdle() const { return held_.empty() && !commit_soon_; }

  // Keeps what was handled until the writes so far are durable, `change`, which are its own, included. True:
  // a commit is to be taken at the end of this turn, and that was not known.
  bool Hold(Handled handled, HubState::Change change);

  // Rows that the next commit has.
  size_t rows_to_commit() const { return rows_.size(); }
  struct Commit {
    uint64_t number = 0;
    HubCommit writes;
  };
  Commit TakeCommit(const std::string& hub);

  // --- The store's answers come in the order in which commits were taken.
  // This one is durable: the next that may leave; nothing: no more may.
  std::optional<Handled> TakeDurable(uint64_t number);
  // This one is not. False: what needs it was taken back already.
  bool Fail(uint64_t number);
  // Since then: RollBack follows.
  bool has_failed() const { return failed_; }
  size_t held() const { return held_.size(); }

  struct RolledBack {
    Handled handled;
    HubState::Change undo;  // `undo` part only
    bool wrote = false;
  };
  // All that is held, oldest first; their writes are dropped. From now on it is in doubt what the store has.
  std::deque<RolledBack> RollBack();
  bool in_doubt() const { return in_doubt_; }
  void OnReadAnew() { in_doubt_ = false; }

 private:
  struct Held {
    RolledBack what;
    uint64_t commit = 0;  // leaves when this one and all before it are durable
    size_t bytes = 0;     // written
  };
  void DropWrites();

  std::deque<Held> held_;
  size_t bytes_ = 0;
  std::map<std::string, std::optional<std::string>> rows_;
  std::optional<int64_t> due_ms_;
  uint64_t next_commit_ = 1;  // what this turn's writes go into
  bool commit_soon_ = false;
  bool failed_ = false;
  bool in_doubt_ = false;
};

}  // namespace dormouse
