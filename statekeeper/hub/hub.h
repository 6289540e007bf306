// How to write a hub class: derive from Hub, describe it with a HubClass, register it (registry.h).
//
//   class Counter : public Hub {
//     void OnMessage(Context& context, const Connection& from, const Message&) override {
//       const uint64_t n = Parse(context.Get("count")) + 1;
//       context.Put("count", Print(n));
//       context.Send(from.id, Message::Text(Print(n)));   // leaves once "count" is durable
//     }
//   };
//
// A hub is single-threaded: its handlers run one after another, each to its end. A handler sees neither
// threads nor futures: reading state that is not in memory suspends the handler while other hubs run, and the
// hub's own later events wait (input gate). What a handler sends leaves after its writes are durable (output
// gate).
//
// A handler either counts as a whole or not at all: when it throws, or when its writes cannot be committed,
// its writes and its sends are taken back, the Hub object is destroyed, and a new one is made (OnWake) before
// the next event. OnFailure runs for the failed event, on an object of its own. So keep in members only what
// OnWake can rebuild.
//
// A handler that ends its process (a crash, endless recursion, all memory) takes the hubs of a part of the
// cluster through a change of owner, and is tried again there. An event that was under way in the end of
// several owners is given up; its hub alone is told so (Failure::kPoison).
//
// Events come at least once: after a crash an event whose writes were durable but whose output had not
// reached every gateway is handled again; what was sent to clients before is not sent twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "proto/link.pb.h"
#include "proto/packed.h"
#include "statekeeper/hub/hub_port.h"
#include "statekeeper/hub/list_range.h"

struct ev_loop;

namespace prometheus {
class Registry;
}

namespace dormouse {

// A frame, either way.
struct Message {
  std::string_view data;
  bool binary = false;
  int64_t received_ms = 0;  // arrival at the gateway, wall clock; of incoming frames only
  // Of incoming frames: the gateway has sent it before, so it may have been handled, writes durable and all.
  bool repeated = false;
  // Of incoming frames: grows from each of a connection's to the next, and is the same in a repeated one.
  uint64_t sequence = 0;
  // Of outgoing text: if it does not reach its socket because that is closed, it comes back (OnUndelivered).
  // So does what was written to a socket that ended before its client was known to have it, up to what the
  // class's profile says (kept_messages, kept_bytes).
  bool returnable = false;
  // Of text that came back: its client may have it. It was written, and the client ended the connection; else
  // nobody is known to have had it.
  bool unconfirmed = false;

  static Message Text(std::string_view data) { return {.data = data}; }
  static Message Binary(std::string_view data) { return {.data = data, .binary = true}; }
  static Message ReturnableText(std::string_view data) { return {.data = data, .returnable = true}; }
};

// An open socket of this hub, as of now. Asleep or awake, its id, attachment and tags stay.
struct Connection {
  ConnectionId id;
  int64_t connected_ms = 0;  // wall clock
  int64_t last_seen_ms = 0;  // last frame of any kind, also those answered at the edge; exact for the event's
                             // own connection, else as of the last event that came from it
  std::string attachment;
  std::vector<std::string> tags;
  std::shared_ptr<const std::string> traceparent = {};  // of what opened it; nullptr: it is not traced
};

struct CloseInfo {
  uint16_t code = 1006;    // 1006: the socket broke or its gateway is gone
  bool by_client = false;  // the client sent a close frame; else the edge closed it, or it broke
  std::string_view reason;
};

// What a handler can do. Valid during the handler that it was passed to.
class Context {
 public:
  virtual ~Context() = default;

  virtual std::string_view hub_class() const = 0;
  virtual std::string_view hub_name() const = 0;
  virtual int64_t now_ms() const = 0;  // wall clock; one value throughout a handler

  // --- Sending. Order is kept per connection. Unknown and closed connections are passed over.
  virtual void Send(const ConnectionId& to, const Message& message) = 0;

  struct HeadedRecipient {
    ConnectionId to;
    std::string head;
  };
  // To each recipient one frame: its head followed by the shared bytes. One message per gateway.
  virtual void SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) = 0;

  // To all open connections of the hub but `except`; with `tag` not empty, to those that carry it.
  virtual void Broadcast(const Message& message, std::string_view tag = {},
                         const std::optional<ConnectionId>& except = std::nullopt) = 0;

  // Closes a socket, after what was sent to it before. OnClose does not follow; the connection is gone when
  // this returns. `code`: 1005 closes without one. `reason`: at most 123 bytes.
  virtual void Close(const ConnectionId& connection, uint16_t code, std::string_view reason) = 0;

  // Asks back what was sent returnable to a connection that is closed (OnClose came, or Close was called) and
  // did not reach its socket: each frame comes through OnUndelivered, oldest first, then OnRecalled once.
  // What has come back before does not come again. Not durable: OnRecalled does not come if the hub is
  // rebuilt in between; then nothing more comes back either.
  virtual void Recall(const ConnectionId& closed) = 0;

  // Asks when all that was sent to an open connection so far, by this event included, has been handed to its
  // socket: OnConfirmed comes once then, or when its gateway is gone for good. Not durable, as Recall.
  virtual void Confirm(const ConnectionId& open) = 0;

  // Asks the edge when open connections were last heard: OnSeen comes for each, unless its socket is closed
  // by then. For a class that has to know what last_seen_ms does not say of clients that only heartbeat.
  // Costs a message to their gateways that names the hub's sockets there. Not durable, as Recall.
  virtual void AskLastSeen(std::span<const ConnectionId> open) = 0;

  // When the gateway last answered frames on open connections as SetAutoResponse says: wall clock, in their order; 0
  // where it never did, or does not say so in time. `done` runs once, within a quarter of a second, on this thread;
  // perhaps within the call. Not a part of the handler: it counts at once, whatever becomes of that.
  using Answered = std::function<void(std::vector<int64_t> at_ms)>;
  virtual void AskAnswerTimes(const std::vector<ConnectionId>& open, const Answered& done) {
    done(std::vector<int64_t>(open.size()));
  }

  // This event is none of the hub's activity: it does not put off the hub's falling asleep, and a hub that it
  // woke leaves memory as soon as it is dealt with. For upkeep, such as a renewal or an alarm.
  virtual void DoNotStayAwake() = 0;

  // Lets a connection in: it is not closed for want of admission any more
  // (ClassProfile.admission_timeout_ms). From now on it has the role, and what the profile allows that
  // (ClassProfile.role_limits); empty: none. May be called again, for another role.
  virtual void Admit(const ConnectionId& connection, std::string_view role = {}) = 0;

  // A text frame of that connection that is exactly `request` is answered with `reply` where its socket is, and is no
  // event of the hub; it replaces what was there. An empty request: none is. Up to 2,048 bytes each.
  virtual void SetAutoResponse(const ConnectionId&, std::string_view /*request*/,
                               std::string_view /*reply*/) {
    throw std::logic_error("nothing is answered at an edge here");
  }

  // Events of this hub that have come and wait for the handler that is running.
  virtual size_t waiting_events() const = 0;

  // --- Connections.
  virtual size_t connection_count() = 0;
  virtual std::optional<Connection> FindConnection(const ConnectionId& id) = 0;
  // All (or all tagged) open connections, in the order of their ids.
  virtual std::vector<ConnectionId> Connections(std::string_view tag = {}) = 0;
  // Up to max-attachment bytes (an option; 16 KiB), durable. Larger ones throw std::length_error.
  virtual void SetAttachment(const ConnectionId& id, std::string_view attachment) = 0;
  // Up to 10 tags of 1-256 bytes; only in OnConnect, for the connection that connects.
  virtual void SetTags(const ConnectionId& id, std::vector<std::string> tags) = 0;

  // --- Keyed state of the hub, durable. Keys: 1 to kMaxKey bytes without zero bytes. Values: up to 128 KiB. All
  // of it: up to max-state bytes (an option); a handler that would go beyond it fails (Failure::kStateFull).
  // Keys of other languages may have 2,048 bytes, of which some take two here, and a prefix.
  static constexpr size_t kMaxKey = 4'608;
  // Bytes by which it may still grow, roughly; UINT64_MAX: any number.
  virtual uint64_t state_room() const = 0;
  virtual std::optional<std::string> Get(std::string_view key) = 0;
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
  // Rows whose key begins with `prefix`, ascending, from `start` on where given. Calls `visit(key, value)`
  // until it returns false. Lets other hubs run between chunks, so a long list costs nobody else; the hub's
  // own events wait. The views live until `visit` returns; `visit` must not write.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  virtual void List(std::string_view prefix, const Visit& visit, std::string_view start = {}) = 0;
  // The same with more conditions (list_range.h). In reverse order the whole range is read before the first visit.
  void List(const ListRange& range, const Visit& visit) {
    VisitRange([this](std::string_view prefix, const Visit& each,
                      std::string_view start) { List(prefix, each, start); },
               range, visit);
  }

  // --- The hub's alarm: OnAlarm runs at `due_ms` (wall clock) or as soon after as can be, asleep or
  // awake, at least once. A failing handler is retried after 2, 4, 8, ... s, six times.
  virtual void SetAlarm(int64_t due_ms) = 0;
  virtual std::optional<int64_t> GetAlarm() = 0;
  virtual void DeleteAlarm() = 0;
  // --- Timers: as the alarm, for as many things as are to happen at times of their own: OnTimer gets the name. Each is
  // retried, and given up, by itself. Those that are due together run one by one, earliest first, the alarm among them.
  // A hub has up to kMaxTimers, with names of 1 to kMaxTimerName bytes; more throw std::length_error.
  static constexpr size_t kMaxTimers = 100;
  static constexpr size_t kMaxTimerName = 64;
  virtual void SetTimer(std::string_view name, int64_t due_ms) = 0;
  virtual std::optional<int64_t> GetTimer(std::string_view name) = 0;
  virtual void DeleteTimer(std::string_view name) = 0;
  // Names and due times, by name.
  virtual std::vector<std::pair<std::string, int64_t>> Timers() = 0;

  // --- Calls another hub, of any class and wherever it lives (its OnRequest), and waits for the answer: other hubs run
  // meanwhile, this one's later events wait.
  //
  // It leaves when all that the handler has written so far is durable. That stays, whatever becomes of the handler (and
  // so do the closes of sockets); what it sends to sockets leaves at its end, as ever. A handler that is run again calls
  // again: callees that must not do a thing twice are told an id of it.
  //
  // Deadlock: a hub that waits answers nobody. A call of itself, or of a hub that waits for this very call, fails at
  // once. Two hubs whose handlers happen to call one another wait until the first deadline; so let calls go one way:
  // by an order of classes, say. A call of a call has no later deadline than that.
  struct CallAnswer {
    std::string payload;
    std::string failure;     // not empty: a sentence, and there is no payload
    bool retryable = false;  // it was not begun, or may be made again without harm
    bool unknown = false;    // it may have been carried out
  };
  static constexpr std::chrono::milliseconds kCallDeadline{10'000};
  virtual CallAnswer Call(std::string_view /*hub_class*/, std::string_view /*hub_name*/,
                          std::string_view /*payload*/,
                          std::chrono::milliseconds /*deadline*/ = kCallDeadline) {
    throw std::logic_error("no hub can be called here");
  }

  // --- Going on after the handler has returned: hub_port.h.
  // This event is not done when its handler returns. Its number, for HubPort; not 0. Not in OnWake and OnFailure.
  virtual uint64_t Defer() { throw std::logic_error("an event cannot be deferred here"); }
  virtual bool may_defer() const { return false; }
  // Of the Hub object that is called; never changes. nullptr where there is none (OnFailure).
  virtual std::shared_ptr<HubPort> port() { return nullptr; }
  // How often this event was deferred, and came back because its Hub object was gone.
  virtual uint32_t restarts() const { return 0; }
  // In OnAlarm and OnTimer: how often it has failed since it was set.
  virtual uint32_t alarm_failures() const { return 0; }
  // The answer to OnRequest's caller: by its handler, or by the resumption that finishes it.
  virtual void Reply(std::string_view /*payload*/) {
    throw std::logic_error("there is nobody here to be answered");
  }

  // In a long computation: lets other hubs run when this handler's turn is over. To be called often; all
  // calls that send, read or write do the same.
  virtual void Yield() = 0;
  // How long this handler has run so far; waiting does not count.
  virtual std::chrono::microseconds time_used() const = 0;
  // In OnFailure of kOverAllowance: after how long a message of the connection will be handled again.
  virtual int64_t retry_after_ms() const { return 0; }
};

class Hub {
 public:
  virtual ~Hub() = default;

  // The hub was rebuilt in memory, before the event that woke it. Reading only.
  virtual void OnWake(Context&) {}
  // A socket was opened. Calling Close refuses it.
  virtual void OnConnect(Context&, const Connection&, const link::OpenRequest&) {}
  virtual void OnMessage(Context&, const Connection&, const Message&) {}
  // The socket is closed already, and no longer among the hub's connections. Comes once for each that
  // OnConnect accepted and that the hub did not close itself.
  virtual void OnClose(Context&, const Connection&, const CloseInfo&) {}
  virtual void OnAlarm(Context&) {}
  // A timer of that name (Context::SetTimer) is due, and set no more.
  virtual void OnTimer(Context&, std::string_view /*name*/) {}
  // Somebody calls the hub (HubCaller). Answered with Context::Reply; where it is not, or the handler throws, the
  // caller hears so. Not repeated after a crash: its caller hears of that.
  virtual void OnRequest(Context& context, std::string_view /*payload*/) {
    throw std::invalid_argument("class " + std::string(context.hub_class()) + " takes no calls");
  }
  // What waits for the connection at its gateway crossed the pause mark, or twice what was said last (true);
  // or fell to the resume mark (false).
  virtual void OnBackpressure(Context&, const Connection&, bool /*paused*/, const Backlog&) {}
  // A returnable message found its socket closed. The connection is, or is about to be, none of the hub's:
  // OnClose may come after. Frames of one connection come back in the order in which they were sent.
  virtual void OnUndelivered(Context&, const ConnectionId&, const Message&) {}
  // Returnable messages that do not come back, since they are more than the profile says.
  virtual void OnLost(Context&, const ConnectionId&, const Lost&) {}
  // See Context::Recall and Context::Confirm.
  virtual void OnRecalled(Context&, const ConnectionId&) {}
  virtual void OnConfirmed(Context&, const ConnectionId&) {}
  // The answer to Context::AskLastSeen: last_seen_ms is exact. May come unasked.
  virtual void OnSeen(Context&, const Connection&) {}

  // For operators: what there is of the class's own, by name and number (registrations, subscriptions, ...),
  // in the order in which it is to be shown. Reading only.
  virtual std::vector<std::pair<std::string, int64_t>> Describe(Context&) { return {}; }

  enum class Failure {
    kHandler,    // the handler threw
    kStore,      // its writes could not be made durable, or its reads not be made, in time; worth another try
    kStateFull,  // its writes would take the hub's state beyond max-state
    // It went beyond what one event may do (options): thrown out of the call of the Context that would have.
    kOverBudget,      // it ran for longer than handler-budget
    kTooMuchOutput,   // it would have sent more than max-output
    kTooManyChanges,  // it would have written more than max-changes
    // It was not even called: the connection's messages take up more time than connection-cpu.
    kOverAllowance,
    kPoison,  // it is given up: several processes (max-attempts) have ended while it was handled
  };
  // A message's handler did not count (see above). This object was made for this call, without OnWake, and
  // goes after it: the state may be out of reach, so answer from what is passed. Sends leave at once; writes
  // are not allowed.
  virtual void OnFailure(Context&, const Connection&, const Message&, Failure) {}
};

// A kind of hub. Immutable after registration; used from every lane's thread.
class HubClass {
 public:
  virtual ~HubClass() = default;
  // What gateways are told: name, routes, edge rules. See link.proto.
  virtual const link::ClassProfile& profile() const = 0;
  virtual std::unique_ptr<Hub> NewHub() const = 0;
  // Why none of its hubs has that name, though clients could give it: a sentence, for backends. Empty: one may.
  virtual std::string WhyNoHub(std::string_view /*name*/) const { return ""; }
  // Whether a message whose handler the store has failed is handled again when the store is back, and those behind it
  // wait for that; else OnFailure answers it at once.
  virtual bool waits_for_store() const { return false; }
  // Whether a message that fails closes its connection (1011, or 1013 where it is worth another try), since its client
  // could be told in no other way; OnFailure does not run then.
  virtual bool closes_failed() const { return false; }
  // On each lane's thread: before the first and after the last of its hubs there. Where nothing of the class's own
  // lives on lanes, nothing is to be done.
  virtual void BeginLane(uint32_t /*lane*/, struct ev_loop* /*loop*/) const {}
  virtual void EndLane(uint32_t /*lane*/) const {}
  // Called once, before the first NewHub, where somebody wants metrics: what the class counts is registered
  // here, with labels of few values (no names of hubs or clients). The registry outlives the class, and may
  // have the same metrics already, of a former object of the class.
  virtual void UseMetrics(prometheus::Registry* /*registry*/) {}
};

}  // namespace dormouse
