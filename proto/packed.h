// Packed records of the edge link: events (gateway -> lane) and deliveries (lane -> gateway).
//
// A batch is a string of records back to back, each starting with its size, all integers little-endian (as on
// every machine we build for), nothing aligned. Writers append; readers get views into the batch.
//
// Readers check every size: a broken batch reads as `false`, never out of bounds. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/shard.h"

namespace dormouse {

enum class EventKind : uint8_t {
  kOpen = 1,  // payload: OpenRequest
  kText = 2,  // payload: the frame
  kBinary = 3,
  kClose = 4,        // payload: ClosePayload
  kPause = 5,        // the connection's outbound queue crossed the pause mark, or twice what was said last;
                     // payload: BacklogPayload
  kResume = 6,       // ... fell to the resume mark; payload: BacklogPayload
  kUndelivered = 7,  // a returnable delivery found its socket closed; payload: the text frame
  kPresent = 8,  // answers a roll call: the socket is open, though the hub did not name it. Payload: none, or
                 // kAskForRoll
  kUnconfirmed = 9,  // a returnable delivery was written to its socket, and whether its client has it is not
                     // known; payload: the text frame
  kLost = 10,        // returnable deliveries that do not come back; payload: LostPayload
};
// Whether it is about deliveries that did not arrive, or may not have: those of one connection come in the
// order in which they were sent.
inline bool IsReturn(EventKind kind) {
  return kind == EventKind::kUndelivered || kind == EventKind::kUnconfirmed || kind == EventKind::kLost;
}

// With a kPresent of any of a hub's sockets: the store may have forgotten some of them, so that the hub is to
// call this gateway's roll.
inline constexpr std::string_view kAskForRoll = "?";

// One event as it lies in a batch. The views live as long as the batch.
struct EventView {
  EventKind kind = EventKind::kText;
  ShardId shard = 0;
  uint32_t epoch = 0;     // of the shard, as the gateway knows it: for the owner in that epoch, and no other
  uint64_t sequence = 0;  // per (gateway, shard), from 1, growing
  uint64_t connection = 0;   // ConnectionId::handle
  int64_t last_seen_ms = 0;  // when the client was last heard: for a frame, its arrival
  std::string_view hub;      // "CLASS/NAME"
  std::string_view payload;
  // It was sent before, to another owner (or to this one, which has forgotten): it may have been handled.
  bool repeated = false;
};

// What AppendEvent appends.
size_t EventBytes(const EventView& event);
// `more`: bytes that belong behind `event.payload` and are left to the caller to append.
void AppendEvent(const EventView& event, std::string* batch, size_t more = 0);
// Takes the first record off `*batch`. False when it is broken (then nothing of the rest can be read).
bool ReadEvent(std::string_view* batch, EventView* event);
// Change an event as AppendEvent wrote it: the shard has a new owner; the event goes out again.
void SetEventEpoch(uint32_t epoch, char* record);
void SetEventRepeated(char* record);

// How a socket ends, as a payload.
struct CloseView {
  uint16_t code = 1006;
  bool by_client = false;  // it sent a close frame before anybody here did
  std::string_view reason = {};
};
std::string ClosePayload(uint16_t code, std::string_view reason, bool by_client = false);
bool ReadClosePayload(std::string_view payload, CloseView* close);

// What waits for one socket, as a payload.
struct Backlog {
  uint32_t messages = 0;
  uint64_t bytes = 0;

  friend bool operator==(const Backlog&, const Backlog&) = default;
};
std::string BacklogPayload(const Backlog& backlog);
bool ReadBacklogPayload(std::string_view payload, Backlog* backlog);

// How many returnable deliveries are not there to come back, as a payload.
struct Lost {
  uint64_t count = 0;
  bool older = false;        // than what comes back next; else newer than what came back
  bool unconfirmed = false;  // they were written to the socket, and its client may have them

  friend bool operator==(const Lost&, const Lost&) = default;
};
std::string LostPayload(const Lost& lost);
bool ReadLostPayload(std::string_view payload, Lost* lost);

// What a gateway answers by itself on one connection, as a payload.
struct AutoResponseView {
  std::string_view request;  // empty: nothing any more
  std::string_view reply;

  friend bool operator==(const AutoResponseView&, const AutoResponseView&) = default;
};
std::string AutoResponsePayload(const AutoResponseView& response);
bool ReadAutoResponsePayload(std::string_view payload, AutoResponseView* response);

// The number of a question, as a payload.
std::string QuestionNumber(uint64_t number);
std::optional<uint64_t> ReadQuestionNumber(std::string_view payload);

// What made a hub send: an event of some gateway. The zero value: the hub's own doing (an alarm).
struct Cause {
  GatewayId gateway = 0;
  ShardId shard = 0;
  uint64_t sequence = 0;

  bool IsEvent() const { return gateway != 0; }
  friend bool operator==(const Cause&, const Cause&) = default;
};

enum class DeliveryKind : uint8_t {
  kText = 2,
  kBinary = 3,
  kClose = 4,  // payload as of a close event
  kAdmit = 5,  // the hub has let the connection in (ClassProfile.admission_timeout_ms); payload: its role, if
               // any (ClassProfile.role_limits)
  kBarrier = 6,  // nothing; it is sent for its acknowledgement, which comes at once, after all before it
  // The hub `return_to` believes that exactly the recipients are its open sockets here. Those of them that
  // are not open answer with a kClose (1006), open ones of that hub that are not among them with a kPresent.
  // No payload. Its cause is none: each owner asks anew, and must not be taken to repeat what an earlier one
  // sent for an event.
  kRollCall = 7,
  // From now on a text frame that is exactly so is answered by the gateway, and does not go to the hub;
  // payload: AutoResponsePayload. Each replaces what the connection had.
  kAutoResponse = 8,
  // Of what the recipients were sent something is lost, so they are closed with 1011, and their hubs hear that
  // as they hear of every end (kClose). No payload.
  kOutputLost = 9,
  // When was each recipient answered last, as its hub had asked for (kAutoResponse)? The gateway says so at once
  // (link.AnswerTimes). Payload: the number of the question, 8 bytes, little-endian.
  kAskAnswerTimes = 10,
};

// One delivery to any number of one gateway's sockets.
struct DeliveryView {
  DeliveryKind kind = DeliveryKind::kText;
  // The last output of its cause, all of whose output went to the cause's own gateway: once written to the
  // sockets, the event is settled.
  bool final = false;
  ShardId shard = 0;
  uint32_t epoch = 0;
  Cause cause;
  uint32_t index = 0;  // counts the deliveries of one cause to one gateway, from 0
  // Not empty: returnable. What meets a closed connection goes back to this hub as a kUndelivered event, and
  // so does, where the class wants it (ClassProfile.kept_messages), what was written to a connection that
  // ended before its client was known to have it. Text only.
  std::string_view return_to;

  // Recipients: ConnectionId::handle each, unaligned; use recipient(i).
  uint32_t recipient_count = 0;
  const char* recipients = nullptr;
  // Where recipients' frames differ: one head each, sent before the payload as one frame. Empty: no heads.
  const char* head_sizes = nullptr;  // recipient_count x 4 bytes, or nullptr
  std::string_view heads;            // the heads, back to back

  std::string_view payload;  // the shared bytes

  uint64_t recipient(uint32_t i) const;
  uint32_t head_size(uint32_t i) const;
};

struct Recipient {
  uint64_t connection = 0;  // ConnectionId::handle
  std::string_view head;
};

struct DeliveryToAppend {
  DeliveryKind kind = DeliveryKind::kText;
  bool final = false;
  ShardId shard = 0;
  uint32_t epoch = 0;
  Cause cause;
  uint32_t index = 0;
  std::string_view return_to = {};
  std::span<const Recipient> recipients;
  bool has_heads = false;
  std::string_view payload;
};

// What it takes, and writes to `to`.
size_t DeliveryBytes(const DeliveryToAppend& delivery);
void WriteDelivery(const DeliveryToAppend& delivery, char* to);
void AppendDelivery(const DeliveryToAppend& delivery, std::string* batch);
// Takes the first record off `*batch`. False when it is broken.
bool ReadDelivery(std::string_view* batch, DeliveryView* delivery);

}  // namespace dormouse
