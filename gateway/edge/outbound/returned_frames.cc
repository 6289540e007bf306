#include "gateway/edge/outbound/returned_frames.h"

#include <cstdint>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/rules/edge_rules.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {

void ReturnedFrames::Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
                            const SharedBody& body) {
  if (body != nullptr && body->size() >= kLongBody) {
    return events_->AppendReturn(kind, handle, hub, head, body->AsTail());
  }
  Return(kind, handle, hub, head, body == nullptr ? std::string_view() : body->view());
}

void ReturnedFrames::Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
                            std::string_view body) {
  scratch_.assign(head).append(body);
  events_->AppendReturn(kind, handle, hub, scratch_);
}

void ReturnedFrames::Return(EventKind kind, const Connection& connection, OutboundQueue::Frame frame) {
  if (frame.compressed) {  // it goes back as the hub said it
    frame.head.clear();
    inflater_.Inflate(frame.body->view(), SIZE_MAX, &frame.head);
    frame.body.reset();
  }
  Return(kind, connection.handle, connection.hub, frame.head, frame.body);
}

void ReturnedFrames::ReturnWaiting(Connection* connection, EventKind kind) {
  ReturnAll(connection, kind,
            connection->outbound_queue == nullptr ? std::vector<OutboundQueue::Frame>()
                                                  : connection->outbound_queue->TakeReturnable());
}

void ReturnedFrames::ReturnQueue(Connection* connection, EventKind kind) {
  ReturnAll(connection, kind,
            connection->outbound_queue == nullptr ? std::vector<OutboundQueue::Frame>()
                                                  : connection->outbound_queue->Clear());
}

void ReturnedFrames::ReturnAll(Connection* connection, EventKind kind,
                               const std::vector<OutboundQueue::Frame>& waiting) {
  const KeptOutputLimits& limits = connection->hub_class->rules().kept;
  size_t messages = 0;
  size_t bytes = 0;
  uint64_t more = 0;  // than fits
  const auto give = [&](const OutboundQueue::Frame& frame, EventKind how) {
    ++messages;
    bytes += frame.size();
    if (more > 0 || (limits.messages != 0 && (messages > limits.messages || bytes > limits.bytes))) {
      ++more;
    } else {
      Return(how, *connection, frame);
    }
  };
  if (connection->unconfirmed != nullptr) {
    const Unconfirmed::Taken written = connection->unconfirmed->Take(SteadyMs());
    const auto say_lost = [&](uint64_t count, EventKind how) {
      if (count == 0) return;
      events_->AppendLost(*connection,
                          {.count = count, .older = true, .unconfirmed = how == EventKind::kUnconfirmed});
    };
    say_lost(written.lost_answered, EventKind::kUnconfirmed);
    say_lost(written.lost_unanswered, kind);
    kept_->Forget(connection);
    for (size_t i = 0; i < written.frames.size(); ++i) {
      give(written.frames[i], i < written.answered ? EventKind::kUnconfirmed : kind);
    }
  }
  // The rest of a frame that was begun still goes out, unless all is over: its client may have it then.
  const bool is_over = connection->aborted || !ev_is_active(&connection->io);
  for (const OutboundQueue::Frame& frame : waiting) {
    give(frame, frame.IsEnding() && !is_over ? EventKind::kUnconfirmed : EventKind::kUndelivered);
  }
  if (more > 0) events_->AppendLost(*connection, {.count = more});
}

// A client that ends the connection, on a path that has brought everything to its machine, has most likely
// got it. If nobody was heard, it has most likely not.
EventKind ReturnedFrames::FateOfWritten(const Connection& connection) {
  const bool begun = connection.outbound_queue != nullptr && connection.outbound_queue->mid_message();
  return connection.aborted || begun || WebSockets::UnacknowledgedBytes(connection) > 0
             ? EventKind::kUndelivered
             : EventKind::kUnconfirmed;
}

}  // namespace dormouse::edge
