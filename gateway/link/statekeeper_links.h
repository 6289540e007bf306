// A gateway's links to all statekeeper lanes, as its edge sees them: numbers, batches and keeps the events
// that the edge hands in until they are settled, replays them where a link or an owner changed, and hands
// deliveries to the edge, each once. How: StatekeeperRouter and its parts.
//
// Threading: everything on the gateway's loop thread; the gRPC thread (common/rpc/completion_thread.h) only
// moves messages and wakes the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/options.h"
#include "common/ids.h"
#include "gateway/link/shared_tail.h"
#include "gateway/takeover/state_reader.h"
#include "gateway/takeover/state_writer.h"
#include "proto/link.pb.h"
#include "proto/packed.h"

struct ev_loop;
namespace prometheus {
class Histogram;
}

namespace dormouse {

class LinkCredentials;

class StatekeeperLinks {
 public:
  // What the links call on the edge.
  class Edge {
   public:
    virtual ~Edge() = default;
    // Write it to its sockets, in order, before the turn ends; everything in `delivery` is valid until the
    // call returns. What is returnable (`return_to`) and does not reach its socket is to come back with
    // Append, as kUndelivered, before the call returns or when it is known. Else unknown recipients are
    // passed over, as are kinds of delivery that are not known.
    virtual void OnDelivery(const DeliveryView& delivery) = 0;
    // When its recipients were last answered, in their order (DeliveryKind::kAskAnswerTimes).
    virtual std::vector<int64_t> AnswerTimes(const DeliveryView& /*question*/) { return {}; }
    // The classes' edge profiles, at the start and after each change.
    virtual void OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t shard_count) = 0;
    // A shard that was congested (see Append) can take events again.
    virtual void OnUncongested() = 0;
    // An event that Append took need not be kept any longer: its hub has dealt with it. Once for each.
    virtual void OnSettled(const EventView& event) = 0;
    // The statekeeper cannot read this event, which is dropped: its hub will never hear of it. OnSettled
    // follows.
    virtual void OnUnreadable(const EventView& event) = 0;
    // The store may have forgotten connections of these shards' hubs: each of the hubs that has open sockets
    // is to be asked, with Append, to call the roll (kAskForRoll).
    virtual void OnForgotten(const std::vector<bool>& /*by_shard*/) {}
    // Where living statekeepers' workers serve the app, after each change: the path of a unix socket, or, of another
    // host's, an address for ConnectToApp; none: there is no app.
    virtual void OnAppAddresses(const std::vector<std::string>& /*addresses*/) {}
  };

  struct Config {
    std::string identity = {};  // of this gateway: NewGatewayIdentity
    // HOST:PORT, unix:SOCKET or unix:DIRECTORY, to start from; at least one.
    std::vector<std::string> statekeepers = {};
    // For HOST:PORT. nullptr: none.
    std::shared_ptr<const LinkCredentials> credentials = nullptr;
    // Bytes of unsettled events per lane. A shard is congested once its own are as many as there is room
    // left: so one alone takes half, many take nearly all, and there is always some for a shard that takes
    // little.
    uint64_t replay_buffer = 64u << 20;
    // To take over from another process (below): nothing is opened that only one gateway of this identity may
    // have, until Begin.
    bool hold = false;
    // Told of each batch that comes, how many deliveries it has; outlives the links. nullptr: nobody asks.
    prometheus::Histogram* batch_deliveries = nullptr;
  };

  static constexpr size_t kMaxEventBytes = 60u << 20;

  virtual ~StatekeeperLinks() = default;

  // What became of an event, and whether more may follow.
  enum class AppendResult {
    kTooLarge,  // not taken
    kAccepted,
    kCongested,  // accepted, but read no more frames for this shard until OnUncongested
  };
  // Takes the event (never drops it); shard, sequence and epoch are filled in here. Needs profiles, so only
  // after the first OnProfiles. Hub name and payload together: at most kMaxEventBytes, else it says
  // kTooLarge.
  virtual AppendResult Append(EventView event) = 0;
  // The same of an event whose payload ends with `tail`, which it shares with others. What comes back from
  // sockets (IsReturn) is queued, as with AppendInLine.
  virtual AppendResult AppendWithTail(EventView event, SharedTail tail) = 0;
  // The same of a frame whose connection has much under way, or will with this: it waits until the lane has
  // dealt with what it was sent before, and others pass it. Everything that follows it of the same connection
  // waits behind it.
  virtual AppendResult AppendInLine(EventView event) = 0;
  // Whether events for this hub are to be held back now (before a socket is read again).
  virtual bool IsCongested(std::string_view hub) const = 0;

  // Asks the hub's owner how it lives; `sleep`: lets it sleep first. Kept nowhere and never repeated: where
  // the link breaks there is no answer. `done` runs once at most, in a later turn, with the owner's id.
  // Returns the question's number; 0: nobody can be asked now.
  using Looked = std::function<void(const link::Look& look, uint64_t statekeeper)>;
  virtual uint64_t LookAt(std::string_view hub, bool sleep, Looked done) = 0;
  // `done` does not run any more.
  virtual void ForgetLook(uint64_t number) = 0;

  // A connection to the app at that address: a socket that does not block, the caller's. -1: it cannot be made
  // now.
  virtual int ConnectToApp(const std::string& /*address*/) { return -1; }

  // Writes what was appended and acknowledges what was delivered. To be called at the end of each turn of the
  // loop (of any turn: the links rely on it too).
  virtual void Flush() = 0;

  // True once the map is known and every owner in it has a stream. Cheap enough to be asked in every turn.
  virtual bool ready() const = 0;
  virtual std::string not_ready_reason() const = 0;

  // For metrics: messages written to and read from lanes; events of other gateways that are remembered
  // because a second handling of them must not deliver twice.
  struct Traffic {
    uint64_t messages_sent = 0;
    uint64_t messages_received = 0;
    size_t remembered_causes = 0;
  };
  virtual Traffic traffic() const = 0;

  // Events not yet settled; 0 means that nothing would be lost with this process.
  virtual size_t unsettled() const = 0;
  // What they take of the replay buffers of all lanes. Cheap enough to be asked in every turn.
  virtual uint64_t unsettled_bytes() const { return 0; }

  // --- A successor of this process (gateway/takeover/): to lanes it is the same gateway, whose streams broke.
  // Of the cluster; 0: not known yet.
  virtual uint32_t shards() const { return 0; }
  // Writes what is not settled, and how far each lane has come. At the end of a turn.
  virtual void Save(takeover::StateWriter* /*writer*/) const {}
  // Somebody else has the streams. What comes is ignored, nothing is opened again; ways to the app stay.
  virtual void Leave() {}
  // In its place (Config::hold): takes what Save wrote, once shards() are known. False: that is no item of the
  // links'. What is wrong with it the reader is told.
  virtual bool Restore(const takeover::Item& /*item*/, takeover::StateReader* /*reader*/) { return false; }
  // All is there: opens the streams.
  virtual void Begin() {}
};

// Connects at once and keeps connected. `loop` and `edge` outlive the result.
std::unique_ptr<StatekeeperLinks> NewStatekeeperLinks(StatekeeperLinks::Config config, struct ev_loop* loop,
                                                      StatekeeperLinks::Edge* edge);

}  // namespace dormouse
