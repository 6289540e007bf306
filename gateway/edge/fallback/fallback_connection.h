// One connection of a client that cannot have a WebSocket, between the requests by which it lives. Behind it
// is a WebSocket all the same: one end of a socket pair has gone the way of an upgraded socket (its order, its
// limits, how it ends, are those of any other), and this holds the other end, as that WebSocket's client.
//
// Downwards: what the edge says is an event (event_text.h) with a number, and is kept until the client has
// confirmed it, so that it can be sent again in another response. No more is read from the pair than may be
// kept: what is beyond waits at the edge, as for any slow client. The edge's pings ask whether the client has
// what was written before (buffers/unconfirmed.h): they are answered once the client has confirmed that, and
// not when it was read here. And where a client is lost that has not confirmed everything, the edge's answer
// to a last ping is left unread in the pair: so the edge sees that its peer has not taken everything
// (ReturnedFrames::FateOfWritten), and gives what was written back to the hub as undelivered, instead of as
// what the client has most likely got.
//
// Upwards: messages are numbered by the client. One that is repeated, because the answer to its request was
// lost, is taken once; of one that came in part the rest is taken from the repetition.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop/timer_wheel.h"
#include "gateway/edge/fallback/posted_messages.h"
#include "gateway/edge/fallback/server_frames.h"

namespace dormouse::edge {

class FallbackRequest;

// Its timer is the owner's.
class FallbackConnection : public TimerNode {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The upgrade has been answered: is_open(), or refusal() is the answer.
    virtual void OnUpgradeAnswered(FallbackConnection* connection) = 0;
    // There is more to be fetched than there was.
    virtual void OnOutput(FallbackConnection* connection) = 0;
    // All that was taken of messages is with the edge.
    virtual void OnInputForwarded(FallbackConnection* connection) = 0;
  };
  struct Parts {
    struct ev_loop* loop;
    Owner* owner;
    std::span<char> buffer;  // for a read, of all connections
    uint64_t* held_bytes;    // by all connections
  };
  // All that is kept for a client until it confirms it; one message more, however long.
  static constexpr size_t kMaxHeldBytes = 256u << 10;
  static constexpr size_t kMaxHeldEvents = 1'000;

  // Takes `fd`, whose other end is being upgraded.
  FallbackConnection(const Parts& parts, std::string id, int fd);
  ~FallbackConnection();
  FallbackConnection(const FallbackConnection&) = delete;
  FallbackConnection& operator=(const FallbackConnection&) = delete;

  const std::string& id() const { return id_; }
  bool is_open() const { return state_ == State::kOpen || state_ == State::kEnded; }
  bool is_leaving() const { return state_ == State::kLeaving; }
  // The whole answer to an upgrade that was refused; of one that was not: its head.
  const std::string& answer() const { return answer_; }
  void ForgetAnswer() { answer_ = {}; }

  // --- Down: events are numbered from 1.
  uint64_t last_event() const { return confirmed_ + kept(); }
  uint64_t confirmed() const { return confirmed_; }
  size_t kept() const { return events_.size() - first_; }
  // Of one that is kept.
  const std::string& event(uint64_t number) const { return events_[first_ + (number - confirmed_ - 1)]; }
  // The client has what came up to that number (at most last_event()).
  void Confirm(uint64_t number);
  // The edge has asked for a confirmation that the client has not given yet.
  bool asks() const { return asked_at_ > confirmed_; }
  // The last event is the end.
  bool has_ended() const { return close_event_ != 0; }
  uint64_t held_bytes() const { return held_bytes_; }

  // --- Up.
  struct Posted {
    PostedMessages messages;
    uint64_t next = 1;  // the number of the one that is under way, or comes next
    uint64_t skip = 0;  // bytes of it that the edge has already, or does not need
    bool binary = false;
    bool repeated = false;  // it has been taken before
  };
  enum class Taken {
    kAll,   // that has come
    kFull,  // OnInputForwarded follows
    kBad,
  };
  // Takes messages off the front of `*body`. The next is not later than received() + 1.
  Taken Take(Posted* posted, std::string_view* body);
  uint64_t received() const { return received_; }
  bool is_forwarded() const { return to_edge_.empty(); }

  // --- The end.
  // By the client. Its id is not to be found any more.
  void Close(uint16_t code, std::string_view reason);
  // The client has not come back, or costs too much.
  void Lose();
  // Of one that is leaving, to be asked from time to time: whether the edge has noticed, and all is over.
  bool IsGone();

  // The requests that are under way, if any: the owner's.
  FallbackRequest* output = nullptr;
  FallbackRequest* input = nullptr;
  bool is_unfetched = false;  // it has a place among those
  std::list<FallbackConnection*>::iterator place = {};

 private:
  enum class State {
    kOpening,
    kRefused,
    kOpen,
    kEnded,    // by the edge; the client may not know yet
    kLeaving,  // by the client; the edge may not know yet
  };

  void OnIo(int events);
  void Read();
  void OnEnd();
  // False: that was the last.
  bool OnOpening(std::string_view bytes);
  void OnFrames(std::string_view bytes);
  void Keep(std::string event);
  void AnswerPing();
  void Forward(Opcode opcode, bool final, std::string_view payload);
  void Flush();
  void Leave();
  void LeaveUnconfirmed(std::string_view last_frame);
  void EndOutput();
  void UpdateWatcher();
  void CloseFd();

  const Parts parts_;
  const std::string id_;
  ev_io io_;
  State state_ = State::kOpening;
  std::string answer_;
  ServerFrames frames_;

  std::vector<std::string> events_;  // from first_ on
  size_t first_ = 0;
  uint64_t confirmed_ = 0;
  uint64_t held_bytes_ = 0;
  uint64_t asked_at_ = 0;  // what a ping of the edge asks for; 0: nothing
  std::string ping_;
  uint64_t close_event_ = 0;
  std::string close_answer_;

  uint64_t received_ = 0;       // messages, whole
  uint64_t partial_bytes_ = 0;  // that the edge has of the next
  bool partial_begun_ = false;
  bool awaits_pong_ = false;   // which is to stay unread, before our half of the pair is ended
  bool output_ended_ = false;  // our half
  std::string to_edge_;
};

}  // namespace dormouse::edge
