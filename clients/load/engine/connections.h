// The connections of one worker: opens them, and opens them again where they are lost; counts and checks
// every reply. Connections are named by their number among the worker's. One thread.
#pragma once

#include <memory>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "clients/load/engine/board.h"
#include "clients/load/engine/settings.h"
#include "clients/load/sequence.h"
#include "clients/load/sockets.h"
#include "clients/load/talk/talk.h"

namespace dormouse::load {

class Connections : private Sockets::Handler, private Voice {
 public:
  // Whose connections they are. Callbacks may Ask and Beat, but not Open, Close and Break.
  class Owner {
   public:
    virtual ~Owner() = default;
    // `begun`: when it began to open. `resumed`: the server had kept its session.
    virtual void OnReady(uint32_t /*connection*/, Nanos /*begun*/, bool /*resumed*/) {}
    // The reply to the request `number`, that was asked at `asked`.
    virtual void OnReply(uint32_t /*connection*/, uint32_t /*number*/, Nanos /*asked*/) {}
    virtual void OnBeat(uint32_t /*connection*/, Nanos /*asked*/) {}
    virtual void OnMessage(uint32_t /*connection*/, uint32_t /*sender*/) {}
    virtual void OnReceipt(uint32_t /*connection*/, uint32_t /*number*/) {}
    virtual void OnLost(uint32_t /*connection*/) {}
  };

  // What is lost after it was ready: a fault, or to be opened again.
  enum class WhenLost : uint8_t { kFault, kComeBack };

  // For `count` connections of the run from `first` on. The others outlive it.
  Connections(const Settings& settings, uint32_t first, uint32_t count, Slot* slot);
  // Before anything else.
  void Use(Talk* talk, Owner* owner) {
    talk_ = talk;
    owner_ = owner;
  }
  // What the talk says by.
  Voice* voice() { return this; }

  // Opens all, some at a time.
  void OpenAll();
  void Open(uint32_t connection);
  // Says goodbye; it does not come back by itself.
  void Close(uint32_t connection);
  // Loses the socket, as a network does; it comes back by itself, after a while.
  void Break(uint32_t connection);
  void SetWhenLost(WhenLost what) { when_lost_ = what; }
  // From now on a socket that cannot be opened is a fault, though it is tried again.
  void ExpectToOpen() { expects_to_open_ = true; }

  // On a connection that is ready. `at`: the moment that the request was meant for.
  void Ask(uint32_t connection, Nanos at);
  void Beat(uint32_t connection, Nanos at);

  // Waits for up to that long, and handles what has happened.
  void Turn(Nanos timeout);
  // When there is something to do beside that.
  Nanos due() const { return timers_.empty() ? kNever : timers_.top().when; }

  bool is_ready(uint32_t connection) const { return states_[connection].life == Life::kReady; }
  uint32_t size() const { return static_cast<uint32_t>(states_.size()); }
  uint32_t first() const { return first_; }
  uint32_t ready() const { return ready_; }
  // Sockets on their way to be ready.
  uint32_t opening() const { return opening_; }
  // Requests and heartbeats without an answer, of connections that are ready.
  uint64_t outstanding() const { return outstanding_; }
  uint32_t outstanding_of(uint32_t connection) const {
    return states_[connection].replies.outstanding() + states_[connection].beats;
  }
  // Counts what is still outstanding as missing.
  void CountMissing();

  // A fault of a connection, in words.
  void Say(Fault fault, uint32_t connection, const std::string& text);
  Sockets* sockets() { return &sockets_; }

 private:
  enum class Life : uint8_t { kAway, kOpening, kGreeting, kReady, kOver };
  struct State {
    Life life = Life::kAway;
    uint8_t failures = 0;  // in a row
    uint16_t beats = 0;    // without an answer
    uint32_t attempts = 0;
    uint32_t lives = 0;  // goes up when a socket ends
    Nanos begun = 0;
    Nanos beat_at = 0;
    Sequence replies;
  };
  struct Timer {
    Nanos when;
    uint32_t connection;
    uint32_t life;  // of the connection; that of another is over
    bool operator>(const Timer& other) const { return when > other.when; }
  };

  void OnOpen(size_t index) override;
  void OnFrame(size_t index, std::string_view text) override;
  void OnEnd(size_t index, bool was_open, const WebSocket::End& end) override;
  void Say(uint32_t connection, std::string_view text) override;
  void Remind(uint32_t connection, Nanos when) override;

  void Take(uint32_t connection, const Heard& heard);
  void TakeReply(uint32_t connection, uint32_t number);
  void OpenSome();
  void Gone(uint32_t connection);
  void ComeBackLater(uint32_t connection);
  Nanos& AskedAt(uint32_t connection, uint32_t number) {
    return asked_at_[size_t{connection} * settings_.in_flight + number % settings_.in_flight];
  }

  const Settings& settings_;
  const Plan plan_;
  const uint32_t first_;
  Slot* const slot_;
  Talk* talk_ = nullptr;
  Owner* owner_ = nullptr;
  Sockets sockets_;
  std::vector<State> states_;
  std::vector<Nanos> asked_at_;  // of the last requests of each
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::mt19937_64 random_;
  WhenLost when_lost_ = WhenLost::kFault;
  bool expects_to_open_ = false;
  uint32_t opened_ = 0;  // of OpenAll: those that have begun
  bool opens_all_ = false;
  uint32_t opening_ = 0;  // under way
  uint32_t ready_ = 0;
  uint64_t outstanding_ = 0;
  std::vector<uint32_t> given_up_;  // to be closed after the turn
};

}  // namespace dormouse::load
