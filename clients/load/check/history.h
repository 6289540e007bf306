// What clients did and what came to them, in the order in which this process saw it. Append-only, in memory:
// some 120 bytes for a message that is asked, answered and arrives, and twice that while it is judged. One
// thread.
//
// Operations are numbered from 1 on, without gaps, in the order of sending. So the numbers of one sender's
// messages ascend: they are ids and sequence numbers in one.
#pragma once

#include <cstdint>
#include <deque>
#include <iosfwd>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace dormouse::load::check {

using ClientId = uint32_t;
using OperationId = uint64_t;
using Micros = int64_t;  // of a clock that only goes forward, since the start of the run

constexpr ClientId kNobody = UINT32_MAX;

enum class Kind : uint8_t {
  kConnect,
  kRegister,
  kRenew,
  kSubscribe,
  kUnsubscribe,
  kSend,  // asks for an acknowledgement
  kTell,  // does not
  kPublish,
  kBroadcast,
  kList,
  kDiscover,
  kHeartbeat,
};
std::string_view NameOf(Kind kind);

enum class Outcome : uint8_t {
  kAcknowledged,
  kRetryable,     // refused or failed for the time being; whether it took effect is not known
  kUnknownActor,  // nobody is registered there
  kRefused,       // any other error
};
std::string_view NameOf(Outcome outcome);

struct Sent {
  OperationId operation;
  ClientId client;
  ClientId target = kNobody;  // kSend, kTell
  uint32_t topic = 0;         // kSubscribe, kUnsubscribe, kPublish: of the client's hub
  Kind kind;
};
struct Answered {
  OperationId operation;  // 0: one that this process has not given
  ClientId client;        // to which the answer came
  uint32_t version = 0;   // of a registration
  uint32_t words = 0;     // History::words: what an error says
  Outcome outcome = Outcome::kAcknowledged;
};
struct Arrived {
  OperationId operation;  // that it says it comes of
  uint64_t frame;         // hash of the id that the hub gave it
  ClientId client;
  ClientId addressed;  // as the frame says
};
// hub:connected.
struct Session {
  ClientId client;
  uint32_t missed = 0;
  bool resumed = false;
};
struct Closed {
  ClientId client;
  int code;
  uint32_t words = 0;  // the reason
};
struct Marked {
  uint32_t words;  // its name
};
// At the end: the registration of the client, as the hub lists it; version 0: it does not.
struct Found {
  ClientId client;
  uint32_t version;
};

struct Record {
  Micros at;
  std::variant<Sent, Answered, Arrived, Session, Closed, Marked, Found> what;
};

class History {
 public:
  // Client i is of hub i mod `hubs`.
  History(uint32_t clients, uint32_t hubs) : clients_(clients), hubs_(hubs) {}

  // Of an operation that is sent now.
  OperationId NextOperation() { return ++operations_; }
  template <typename What>
  void Add(Micros at, What what) {
    records_.push_back({at, what});
  }
  // The number by which records speak of `text`.
  uint32_t Words(const std::string& text);

  uint32_t clients() const { return clients_; }
  uint32_t hubs() const { return hubs_; }
  uint32_t HubOf(ClientId client) const { return client % hubs_; }
  OperationId operations() const { return operations_; }
  const std::deque<Record>& records() const { return records_; }
  const std::string& words(uint32_t number) const { return words_[number]; }

  // A JSON object a line.
  void Write(std::ostream& out) const;

 private:
  const uint32_t clients_;
  const uint32_t hubs_;
  OperationId operations_ = 0;
  std::deque<Record> records_;
  std::vector<std::string> words_{""};
  std::unordered_map<std::string, uint32_t> numbers_;  // of words_
};

}  // namespace dormouse::load::check
