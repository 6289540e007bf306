// Commands to a Redis Cluster: each goes to the node that serves its slot, in the order of its slot, whatever
// happens to slots and nodes meanwhile.
//
// How order is kept. Of one slot there is one unit on its way at a time: one command, or, when more had come
// to wait, as many as are small, as one transaction (MULTI ... EXEC). A node carries out a unit whole or,
// when the slot has moved, is moving (MOVED, ASK, TRYAGAIN) or has no master (CLUSTERDOWN), not at all; so no
// command can be carried out behind the back of an earlier one that was turned away. What was turned away
// goes again, to the node that was named or after a back-off, one by one until the first success. Many slots
// are under way at once.
//
// Who serves which slot is asked of any node (CLUSTER SLOTS): at each new connection, when a node says that a
// slot is elsewhere, and again and again while a node is away or does not answer. Nodes that the cluster
// replaced are left after their answers, or after a while without; the URL's nodes are asked anew when no
// other one is left.
#pragma once

#include <ev++.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "statekeeper/store/call_queue.h"
#include "statekeeper/store/redis/cluster_slots.h"
#include "statekeeper/store/redis/redis_calls.h"
#include "statekeeper/store/redis/redis_connection.h"

namespace dormouse {

class ClusterCalls : public RedisCalls {
 public:
  ClusterCalls(struct ev_loop* loop, RedisConfig config);
  ~ClusterCalls() override;
  ClusterCalls(const ClusterCalls&) = delete;
  ClusterCalls& operator=(const ClusterCalls&) = delete;

  void Call(std::string_view key, std::string command, ReplyHandler done) override;

  bool healthy() const override;
  // A part of the slots without a node, or with one that takes no changes, is not the whole.
  StoreState state() const override;
  bool refused() const override;
  std::string trouble() const override;
  std::string eviction() const override;
  const std::vector<std::string>& script_hashes() const override { return script_hashes_; }

 private:
  class Node;

  struct PendingCall {
    std::string command;
    ReplyHandler done;
    size_t bytes() const { return command.size(); }
    void Fail(StoreStatus status) { done(status, nullptr); }
  };

  struct Slot {
    Slot(ClusterCalls* owner, uint16_t slot_number);
    const uint16_t number;
    CallQueue<PendingCall> calls;
    size_t under_way = 0;             // the first so many calls: one unit
    Node* node = nullptr;             // where it is
    bool waiting = false;             // in waiting_ or in backing_off_
    bool one_by_one = false;          // the last unit was turned away
    int redirects = 0;                // in a row
    std::optional<RedisAddress> ask;  // where the next unit goes, once
  };

  Slot& SlotOf(std::string_view key);
  Node& NodeAt(const RedisAddress& address);
  Node* NodeFor(const Slot& slot);
  void Wait(Slot* slot);
  void BackOff(Slot* slot);
  void SendUnit(Slot* slot, Node* node);
  void Expire(Slot* slot);
  // `turned_away`: an error of the unit's transaction before EXEC; else `reply` counts.
  void HandleAnswer(Node* node, Slot* slot, const std::string& turned_away, const redisReply& reply);
  void HandleRefusal(Node* node, Slot* slot, const std::string& error);
  void Deliver(Slot* slot, const redisReply& reply);
  void LearnSlots(const redisReply& reply, const RedisAddress& asked);
  void AskForSlots();
  void ReleaseNodes();
  bool Calm() const;
  // A command was refused by `node` because that refuses all of its kind.
  void Refused(Node* node, std::string_view error);
  bool IsOwner(const RedisAddress& node, uint16_t slot) const;
  // Whether its slots are served, changes included.
  bool Serves(const RedisAddress& node) const;
  size_t SlotsServed() const;

  void OnPrepare(ev::prepare&, int);
  void OnBackOff(ev::timer&, int);
  void StartHousekeeping();
  void OnHousekeeping(ev::timer&, int);

  struct ev_loop* const loop_;
  const RedisConfig config_;
  ClusterSlots map_;
  bool map_wanted_ = true;  // there is a newer one to be had
  std::map<RedisAddress, std::unique_ptr<Node>> nodes_;
  RedisAddress last_asked_;                                    // for the slots
  size_t bytes_ = 0;                                           // of all calls
  std::unordered_map<uint16_t, std::unique_ptr<Slot>> slots_;  // those that were ever used
  std::vector<Slot*> waiting_;                                 // have calls and nothing under way
  std::vector<Slot*> backing_off_;                             // the same, but not yet
  int back_offs_ = 0;                                          // since the last success
  int64_t next_log_ms_ = 0;
  // How many slots are served; counted now and then, while not all are.
  mutable size_t served_ = 0;
  mutable int64_t served_counted_ms_ = 0;
  std::vector<std::string> script_hashes_;
  ev::prepare prepare_;  // sends, at the end of each turn of the loop
  ev::timer back_off_;
  ev::timer housekeeping_;  // runs while something is under way or wrong
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dormouse
