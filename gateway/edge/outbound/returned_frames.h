// The way back of what a client has not got: a returnable message goes to its hub if it was not wholly handed
// to the kernel when its connection ended, or, where the class wants that, if its client is not known to have
// it by then (unconfirmed.h). In the order in which the messages were sent, and not more of a connection than
// the class wants; the rest is counted.
//
// Whoever ends a connection says so to the hub first: what returns comes after that event. On the loop's
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/buffers/outbound_queue.h"
#include "gateway/edge/frames/inflater.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/outbound/kept_output.h"
#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class ReturnedFrames {
 public:
  // Both outlive this.
  ReturnedFrames(EventWriter* events, KeptOutput* kept) : events_(events), kept_(kept) {}
  ReturnedFrames(const ReturnedFrames&) = delete;
  ReturnedFrames& operator=(const ReturnedFrames&) = delete;

  // From this size on a body is shared with the event, and not copied.
  static constexpr size_t kLongBody = 1024;

  // One message to `handle`.
  void Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
              const SharedBody& body);
  void Return(EventKind kind, uint64_t handle, std::string_view hub, std::string_view head,
              std::string_view body);
  void Return(EventKind kind, const Connection& connection, OutboundQueue::Frame frame);
  // What was written and is not confirmed (as `kind`), and then what waits and is returnable. The latter is
  // still there, or (Queue) gone but for the rest of a frame that was begun, and a close frame.
  void ReturnWaiting(Connection* connection, EventKind kind);
  void ReturnQueue(Connection* connection, EventKind kind);

  // What has become of what was written to a socket that has just ended.
  static EventKind FateOfWritten(const Connection& connection);

 private:
  void ReturnAll(Connection* connection, EventKind kind, const std::vector<OutboundQueue::Frame>& waiting);

  EventWriter* const events_;
  KeptOutput* const kept_;
  Inflater inflater_;    // for what was compressed
  std::string scratch_;  // where messages with heads are put together
};

}  // namespace dormouse::edge
