// What one awake hub knows and changes: its rows, its connections, its alarm. Everything here is durable
// state as the hub sees it, with its own uncommitted writes; nothing here sends.
//
// Reads that memory cannot answer suspend the calling fiber until the store has. They throw StoreAway when
// the store does not answer in time. Writes never wait: they change memory at once and are collected into a
// Change, which the hub commits, or takes back with Revert.
//
// One lane's thread; reads on a fiber.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proto/stored.pb.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_limits.h"
#include "statekeeper/runtime/hub/row_cache.h"
#include "statekeeper/store/store.h"

namespace dormouse {

// The store did not answer a read within its deadline, or reads may not wait here.
class StoreAway : public std::exception {
 public:
  const char* what() const noexcept override { return "the store is not available"; }
};

// When the store should next wake a hub that has this meta row; 0: never.
int64_t NextDue(const stored::HubMeta& meta);

class HubState {
 public:
  struct Config {
    std::string hub;  // "CLASS/NAME"
    Duration reap_interval{};
    const HubLimits* limits = nullptr;  // of what is kept of the past; nullptr: nothing is
  };
  // `clock`: of the handler that reads and writes.
  HubState(Config config, Store* store, FiberPool* fibers, HandlerClock* clock);

  // Reads the meta row, and with it the whole hub if it is small. Does nothing when that is known.
  void Load();
  bool loaded() const { return loaded_; }
  // Forgets everything: the next Load reads anew.
  void Unload();
  // Whether memory holds so much of it that it should be forgotten when nothing is under way.
  bool IsLarge() const;
  // What is remembered of it, roughly.
  size_t bytes_in_memory() const {
    return rows_.bytes() + connections_.size() * sizeof(Connection) + roster_.size() * sizeof(ConnectionId);
  }

  // While set, a read that would have to wait throws StoreAway at once.
  void set_may_wait(bool may_wait) { may_wait_ = may_wait; }
  bool may_wait() const { return may_wait_; }
  // Before a wait: throws StoreAway where there can be none.
  void CheckMayWait();
  // Whether that, or a read, threw StoreAway since the last call only because too many fibers wait already
  // (FiberPool::MaySuspend): then what was begun is to be begun anew when there is room.
  bool TakeCrowded() { return std::exchange(crowded_, false); }

  // --- Rows by full name (row_names.h).
  std::optional<std::string> Get(const std::string& row);
  void Put(const std::string& row, std::optional<std::string> value);
  // Visits rows with first <= name < last, ascending; yields now and then. `visit` must not write.
  void Visit(const std::string& first, const std::string& last,
             const std::function<bool(const std::string& row, const std::string& value)>& visit);

  // --- Connections.
  std::shared_ptr<const Connection> FindConnection(const ConnectionId& id);
  // `traceparent`: of what opened it; empty: it is not traced.
  void AddConnection(const ConnectionId& id, int64_t now_ms, std::string_view traceparent = {});
  // False: there is no such connection.
  bool RemoveConnection(const ConnectionId& id);
  void SetAttachment(const ConnectionId& id, std::string_view attachment);
  void SetTags(const ConnectionId& id, std::vector<std::string> tags);
  void SawConnection(const ConnectionId& id, int64_t at_ms);
  size_t connection_count() const;
  // Whether the store knew the hub when it was read.
  bool existed() const { return existed_; }
  const stored::HubMeta& meta() const { return meta_; }
  std::vector<GatewayId> Gateways() const;
  // Ascending. Valid until the next call of anything here.
  const std::vector<ConnectionId>& Roster();
  std::vector<ConnectionId> Tagged(std::string_view tag);
  // Up to `limit` connections of one gateway; 0: of all.
  std::vector<ConnectionId> ConnectionsOf(GatewayId gateway, size_t limit);
  // Up to `limit` whose id, as text, comes after `after` (empty: from the first).
  std::vector<ConnectionId> ConnectionsAfter(const std::string& after, size_t limit);

  // --- The hub class's timers. The one without a name is its alarm.
  int64_t TimerDue(std::string_view name) const;  // 0: it is not set
  uint32_t TimerFailures(std::string_view name) const;
  // The one that is to run now, which is the earliest; nothing: none is due.
  std::optional<std::string> FindDueTimer(int64_t now_ms) const;
  void SetTimer(std::string_view name, int64_t due_ms);  // 0: it is not
  void RetryTimerAt(std::string_view name, int64_t retry_ms);
  // --- The runtime's look at whether the gateways exist.
  bool IsCheckDue(int64_t now_ms) const {
    return meta_.check_due_ms() != 0 && meta_.check_due_ms() <= now_ms;
  }
  void RearmCheck(int64_t now_ms);
  // When the store should next wake this hub; 0: never.
  int64_t NextDue() const { return dormouse::NextDue(meta_); }

  // --- The roll call.
  bool HasCalledRoll(uint32_t epoch, uint32_t generation) const {
    return meta_.roll_epoch() == epoch && meta_.roll_generation() == generation;
  }
  void SetCalledRoll(uint32_t epoch, uint32_t generation);

  // --- Suspects and given up events (poison_guard.h).
  void SetBegun(const stored::HubMeta::Begun& begun);
  void ClearBegun();
  void SetGivenUp(uint32_t count, int64_t last_ms);  // count 0: forgotten

  // --- The size of the hub class's own rows, keys and values.
  // Counts the open change in. False: it makes the state larger, and larger than `max_bytes` (0: no limit);
  // it must be taken back then, as when this throws. To be called before TakeChange where a hub class has
  // written.
  bool CountState(uint64_t max_bytes);
  // By how much it may still grow, the open change included; of rows whose size is unknown nothing is
  // subtracted.
  uint64_t RoomFor(uint64_t max_bytes) const;

  // --- Changes.
  struct Change {
    std::vector<RowWrite> writes;
    std::optional<int64_t> next_due;  // the store's alarm index must say so
    std::vector<RowCache::Undo> undo;
    bool empty() const { return writes.empty() && !next_due; }
  };
  // All writes since the last call.
  Change TakeChange();
  // Takes a change back. Later changes must have been taken back before.
  void Revert(Change change);
  // Takes back what was written since the last TakeChange.
  void RevertOpenChange() { Revert(TakeChange()); }
  // The next change tells the store's alarm index what is due, whether or not that differs from what it was
  // told.
  void ReindexAlarm() { indexed_due_ = kUnknownDue; }

 private:
  static constexpr int64_t kUnknownDue = -1;

  // Connections of rows with first <= name < last.
  std::vector<ConnectionId> ConnectionsBetween(const std::string& first, const std::string& last,
                                               size_t limit);
  RowPage ReadRange(const std::string& first, const std::string& last, size_t limit);
  const stored::HubMeta::Timer* FindTimer(std::string_view name) const;  // nullptr: it is not set
  void ReadMeta();
  bool KeepsPast() const { return config_.limits != nullptr && config_.limits->history != 0; }
  // Adds to the open change what it takes to take it back.
  void NotePast();
  void CountConnection(GatewayId gateway, int delta, int64_t now_ms);
  void StoreConnection(const Connection& connection);
  void ForgetParsed();
  // Until somebody resumes this fiber.
  void Await();

  const Config config_;
  Store* const store_;
  FiberPool* const fibers_;
  HandlerClock* const clock_;

  RowCache rows_;
  bool loaded_ = false;
  bool may_wait_ = true;
  bool crowded_ = false;
  stored::HubMeta meta_;  // of the meta row, with changes not yet written to it
  bool meta_changed_ = false;
  bool existed_ = false;
  int64_t indexed_due_ = 0;
  Change change_;
  // Of the open change, until CountState: by how much it makes the hub class's rows larger; and those whose
  // size before it is unknown, so not subtracted.
  int64_t growth_ = 0;
  std::vector<std::string> unsized_;
  std::map<std::string, RowCache::Value> before_;  // those that CountState has read
  bool has_past_ = false;                          // as of the last ReadMeta, or NotePast

  // Parsed connection rows; rebuilt from rows_ when it is cleared.
  std::unordered_map<ConnectionId, std::shared_ptr<Connection>> connections_;
  std::vector<ConnectionId> roster_;
  bool roster_known_ = false;
};

}  // namespace dormouse
