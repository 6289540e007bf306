// One open WebSocket, as the edge sees it: a plain record. Its life: open -> closing (the hub knows that it
// ended) -> gone (the socket is closed, the record freed).
//
// An idle connection is nothing but this record; everything that only a busy one needs hangs off it and goes
// when it is done. On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/http/address_limit.h"
#include "common/loop/timer_wheel.h"
#include "common/tls/tls_session.h"
#include "gateway/edge/buffers/outbound_queue.h"
#include "gateway/edge/buffers/partial_message.h"
#include "gateway/edge/buffers/unconfirmed.h"
#include "gateway/edge/frames/frame_reader.h"
#include "gateway/edge/rules/rate_limit_violations.h"
#include "gateway/edge/rules/rate_limiter.h"
#include "gateway/edge/rules/socket_answers.h"

namespace dormouse::edge {

class HubClassEdge;

// A descriptor as the loop watches it. A base of its own, so that the watcher leads back to its connection.
struct SocketWatcher {
  ev_io io{};
};

// As a timer: open, when to look at its deadlines, or to close it for a drain; closing, when to abort it.
struct Connection : TimerNode, SocketWatcher {
  uint64_t handle = 0;  // ConnectionId::handle
  const HubClassEdge* hub_class = nullptr;
  std::string hub;                    // "CLASS/NAME"
  Connection* next_of_hub = nullptr;  // a ring (HubSockets)
  Connection* previous_of_hub = nullptr;
  int64_t last_seen_ms = 0;  // SteadyMs() of the last whole message or control frame
  int64_t admission_deadline_ms =
      0;  // SteadyMs() by which its hub must have admitted it; 0: it has, or need not
  RateLimiter rate_limiter;
  AddressLimit::Seat seat;
  // What the client has said and its hub has not dealt with yet.
  uint32_t unsettled = 0;        // messages
  uint32_t unsettled_bytes = 0;  // of them

  int ready_events = 0;             // that have happened to its socket and have not been handled
  std::unique_ptr<TlsSession> tls;  // nullptr: it speaks in the clear
  FrameReader reader;
  std::unique_ptr<std::string> unread;  // what was read and cannot, or must not, be looked at yet
  uint32_t turn_place = 0;              // in what is written at the end of this turn (TurnOutput); 0: nothing

  std::unique_ptr<std::string> role;              // by its token; nullptr: none
  std::unique_ptr<PartialMessage> partial;        // the message under way, where it comes in pieces
  std::unique_ptr<OutboundQueue> outbound_queue;  // present while a write waits
  std::unique_ptr<Unconfirmed> unconfirmed;  // present while its client may not have all that was written
  std::unique_ptr<RateLimitViolations> rate_violations;  // present from the first message that was refused
  SocketAnswers::Answer answer;                          // that its hub has asked for
  int64_t answered_ms = 0;                               // WallMs() when that was given last; 0: never
  uint8_t deflate_window_bits = 0;  // its messages may be compressed with that window; 0: not at all
  uint8_t pending_answers = 0;      // of the edge, since `outbound_queue` was empty last

  bool closing : 1 = false;
  bool close_sent : 1 = false;
  bool reading_paused : 1 = false;   // its socket is not read
  bool input_ignored : 1 = false;    // what the client says does not count any more
  bool peer_ended : 1 = false;       // the client has ended its half of the connection
  bool final_ping_sent : 1 = false;  // which asks whether it has all that was written, before it is closed
  bool aborted : 1 = false;          // the edge has given it up
  // Of TLS: what its session keeps is on its way to the socket; the sender, too, waits for the socket; and then our half of
  // the connection is to end.
  bool flushing : 1 = false;
  bool sender_waits : 1 = false;
  bool ending_output : 1 = false;
  bool draining : 1 = false;             // the timer is for closing with 1001
  bool rate_exemption_used : 1 = false;  // it has had the message that its rate limit does not count
  // Backpressure: what each of these says keeps its socket from being read.
  bool congested : 1 = false;        // until its lane can take events again
  bool window_full : 1 = false;      // until its hub has dealt with more of what it said
  bool awaits_dispatch : 1 = false;  // until `partial`, which is whole, has had its turn

  bool is_pair : 1 = false;  // its client is at the other end in this process (FallbackRoom)

  // To this process's successor: not where what it takes is here alone, as the keys of a TLS session are.
  bool CanMove() const { return tls == nullptr && !is_pair; }
  bool IsBackpressured() const { return congested || window_full || awaits_dispatch; }
  void SetRole(std::string_view name) { role = name.empty() ? nullptr : std::make_unique<std::string>(name); }
};

}  // namespace dormouse::edge
