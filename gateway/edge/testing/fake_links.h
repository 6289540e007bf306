// For tests: statekeepers that are not there. Remembers every event, echoes frames if told so, delivers what
// the test asks for.
#pragma once

#include <ev.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/loop/loop_wake.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse::edge {

class FakeLinks : public StatekeeperLinks {
 public:
  struct Event {
    EventKind kind;
    uint64_t connection;
    int64_t last_seen_ms;
    std::string hub;
    std::string payload;
    bool in_line = false;  // AppendInLine
    size_t turn = 0;       // of the loop in which it came

    Backlog backlog() const;  // of a pause or resume
    uint16_t close_code() const;
    std::string close_reason() const;
    bool close_by_client() const;
  };

  FakeLinks(struct ev_loop* loop, Edge* edge);

  // From any thread.
  void Echo(bool on);     // each frame comes back to its sender
  void Congest(bool on);  // Append says kCongested
  void Settle(bool on);   // events, those that have come included; on at first
  void SetReady(bool on);
  void SetUnsettled(size_t count);
  // The `index`-th event since the start; waits for it. Fails the process after ten seconds.
  Event WaitForEvent(size_t index);
  // The first event from `from` on that is of that kind, and its index.
  Event WaitForKind(EventKind kind, size_t from, size_t* index = nullptr);
  size_t event_count() const;
  void Deliver(const DeliveryToAppend& delivery);
  // How hubs live: waits for the `index`-th question since the start; answers it.
  struct LookedAt {
    std::string hub;
    bool sleep = false;
  };
  LookedAt WaitForLook(size_t index);
  void AnswerLook(uint64_t number, const link::Look& look);
  size_t open_looks();
  // Runs it on the loop's thread and waits for it.
  void Run(std::function<void()> action);

  // StatekeeperLinks
  AppendResult Append(EventView event) override;
  AppendResult AppendWithTail(EventView event, SharedTail tail) override;
  AppendResult AppendInLine(EventView event) override;
  bool IsCongested(std::string_view hub) const override;
  uint64_t LookAt(std::string_view hub, bool sleep, Looked done) override;
  void ForgetLook(uint64_t number) override { looks_.erase(number); }
  void Flush() override;
  bool ready() const override;
  std::string not_ready_reason() const override { return "told so by a test"; }
  Traffic traffic() const override { return {}; }
  size_t unsettled() const override;

 private:
  AppendResult Take(const EventView& event, bool in_line);
  void DeliverBatch();

  Edge* edge_;
  LoopWake wake_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Event> events_;
  std::string batch_;
  std::vector<std::function<void()>> actions_;
  std::vector<Event> kept_;  // not settled yet
  size_t turns_ = 0;         // of the loop
  bool settle_ = true;
  bool echo_ = false;
  bool congested_ = false;
  bool ready_ = true;
  size_t unsettled_ = 0;
  std::map<uint64_t, Looked> looks_;  // on the loop's thread, as what follows
  std::vector<std::pair<std::string, bool>> looked_at_;
};

}  // namespace dormouse::edge
