// What arrived on a loop's streams: filled by the completion thread, emptied by the loop, which is woken once
// for all that comes until it looks. Bounded in bytes: streams over the bound are read on only once the loop
// has caught up, so that the other end sees the pressure.
//
// Streams that the loop reads itself (FramedStream) put nothing in: they hand over what they read.
#pragma once

#include <ev.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "common/loop/loop_wake.h"
#include "common/rpc/link_stream.h"

namespace dormouse {

struct Arrival {
  enum Kind {
    kOpened,  // the first message of a stream that the other end opened
    kMessage,
    kWritable,  // LinkStream::Busy had said yes, now it would say no
    kClosed,    // the last arrival of a stream
  };

  Arrival(Kind what, std::shared_ptr<LinkStream> whose) : kind(what), stream(std::move(whose)) {}
  // By hand, for a ByteBuffer can be swapped but not moved.
  Arrival(Arrival&& other) noexcept : kind(other.kind), stream(std::move(other.stream)) {
    message.Swap(&other.message);
  }

  Kind kind;
  std::shared_ptr<LinkStream> stream;
  grpc::ByteBuffer message;
};

class StreamInbox {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnArrival(Arrival& arrival) = 0;
    // What had arrived when the loop looked has been handed over, or as much of it as there was time for in
    // this turn.
    virtual void OnArrivalsEnd() = 0;
  };

  // On the loop's thread, or before it runs. `loop` outlives the inbox's Close, `owner` too.
  StreamInbox(struct ev_loop* loop, uint64_t max_bytes, Owner* owner);
  StreamInbox(const StreamInbox&) = delete;
  StreamInbox& operator=(const StreamInbox&) = delete;

  // On the loop's thread, also within OnArrival: hands nothing over until Hold(false), so that what comes
  // fills the inbox.
  void Hold(bool hold);

  // On the loop's thread: nothing is handed over any more, what comes is dropped. Must be called before the
  // end. Streams of the loop's own break off.
  void Close();

  // --- For streams that the loop reads itself; on its thread.

  struct ev_loop* loop() const {
    return loop_;
  }
  // Keeps the stream, until it is let go of.
  void Adopt(std::shared_ptr<LinkStream> stream);
  void LetGo(const LinkStream* stream);
  // Whether nothing is to be handed over now. Who was parked reads on when that is over.
  bool held() const { return held_; }
  void Park(std::shared_ptr<LinkStream> stream);
  void HandOverNow(Arrival& arrival);
  // What was there to be read has been handed over.
  void EndTurn();

  // Completion thread. False: the stream must not be read on now; the inbox does that once there is room.
  bool Put(Arrival arrival);

  // Streams that wait for room; for tests and metrics.
  size_t parked() const;

 private:
  void HandOver();

  struct ev_loop* const loop_;
  const uint64_t max_bytes_;
  Owner* const owner_;
  LoopWake wake_;

  mutable std::mutex mutex_;
  bool closed_ = false;
  uint64_t bytes_ = 0;  // of messages put and not handed over to the end
  std::vector<Arrival> arrivals_;
  std::vector<std::shared_ptr<LinkStream>> parked_;

  // The loop's.
  bool held_ = false;
  std::set<std::shared_ptr<LinkStream>, std::owner_less<>> adopted_;
  std::vector<Arrival> handing_over_;  // of which the first handed_over_ are
  size_t handed_over_ = 0;
};

}  // namespace dormouse
