// One session of a signal hub: connects, registers, subscribes to its topic, comes back when its socket is
// lost, and does operations when it is told to. Everything it does and gets goes into the history. One
// thread.
#pragma once

#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "clients/load/check/checker.h"
#include "clients/load/check/envelope.h"
#include "clients/load/check/history.h"
#include "clients/load/sockets.h"

namespace dormouse::load::check {

// What the clients of a run share. Owned by the run.
struct Stage {
  History* history;
  Sockets* sockets;
  std::vector<Endpoint> gateways;
  OnClose on_close = OnClose::kNone;
  std::string hub_path;  // the hub's number is put behind it
  std::mt19937_64 random;
  Micros now = 0;
  // Clients to be called by OnTime, and when; the earliest on top.
  using Timer = std::pair<Micros, ClientId>;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers;

  // From 0 to below `limit`.
  uint64_t Random(uint64_t limit) { return random() % limit; }
};

class Client {
 public:
  // An ask without an answer.
  struct Pending {
    OperationId operation;
    Kind kind;
    uint32_t topic;
  };
  // An answer that this client waited for. The frame's slices are alive.
  struct Answer {
    Pending to;
    const Reply& reply;
  };

  // Its own topic is `topic`.
  Client(Stage* stage, ClientId id, uint32_t topic);

  // Opens its first socket.
  void Begin();

  // Of its socket.
  void OnOpen();
  std::optional<Answer> OnReply(const Reply& reply);
  void OnEnd(bool was_open, const WebSocket::End& end);
  // A timer that it has set.
  void OnTime();

  // Operations, while is_up().
  void Send(ClientId target);
  void Tell(ClientId target);
  void Publish(uint32_t topic);
  void Broadcast();
  void List(size_t offset);
  void Discover();
  void Heartbeat();
  // These three: one at a time; nothing happens while another is under way.
  void Update();
  void Renew();  // updates where it knows no renewal token
  void ToggleTopic(uint32_t topic);

  ClientId id() const { return id_; }
  uint32_t hub() const { return stage_->history->HubOf(id_); }
  // Connected, registered and subscribed.
  bool is_up() const { return state_ == State::kUp; }
  // Its socket was lost, and it will not come back.
  bool is_gone() const { return state_ == State::kGone; }
  bool waits_for_answers() const { return !pending_.empty(); }

 private:
  enum class State { kAway, kOpening, kConnecting, kRegistering, kSubscribing, kUp, kGone };

  OperationId NewOperation(Kind kind, ClientId target = kNobody, uint32_t topic = 0);
  void Ask(Kind kind, const std::string& payload, uint32_t topic = 0);
  void Put(OperationId operation, Kind kind, const std::string& payload) const;
  bool IsPending(std::initializer_list<Kind> kinds) const;
  void OnAnswer(const Pending& asked, const Reply& reply);
  void OnConnected(const JsonObject& payload);
  // Asks for what makes up the present state on the way to kUp.
  void TakeStep();
  void TryLater();
  void Subscribe(uint32_t topic);

  Stage* const stage_;
  const ClientId id_;
  const uint32_t topic_;
  State state_ = State::kAway;
  bool was_up_ = false;
  size_t gateway_;
  int failures_ = 0;  // in a row
  std::string resume_token_;
  std::string last_message_;   // its id
  std::string renewal_token_;  // empty: not known
  std::set<uint32_t> topics_;  // beside its own
  std::vector<Pending> pending_;
};

}  // namespace dormouse::load::check
