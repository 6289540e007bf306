// A stream of the edge link that no gRPC carries: a socket, read and written by the loop that owns the stream.
// No thread is between, so a message costs one system call at each end, where gRPC's stream costs several and
// the wake-up of a thread at each of two hops. What it says is the same. On one host the socket is a unix
// socket, between hosts a TCP connection, with TLS or without (stream_bytes.h).
//
// The bytes. Each message of link.proto follows its length (frame_head.h). Over TCP there is something before the
// first message (link_opening.h).
//
// Trust. Who can connect to the unix socket is believed: its directory is the user's own (see LinkServer). Who
// comes by TCP was judged before (LinkPort). That a process at the other end is gone, the kernel says at once;
// that a machine is, within five seconds. A process that is only stopped is silent, as is one that computes,
// and what then happens is up to those who wait for it.
//
// Threading: the loop's thread.
#pragma once

#include <ev.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/rpc/frame_head.h"
#include "common/rpc/link_stream.h"
#include "common/rpc/stream_bytes.h"

namespace dormouse {

class StreamInbox;

// Where lane `lane` of the statekeeper that listens at `path` takes such streams: PATH.LANE
std::string LaneSocket(const std::string& path, uint32_t lane);

class FramedStream final : public LinkStream, public std::enable_shared_from_this<FramedStream> {
 public:
  // Whether a stream that begins so may go on.
  using Admit = std::function<grpc::Status(const grpc::ByteBuffer& first_message)>;

  // A client's end, by a unix socket. When it cannot be opened, that is Arrival::kClosed, later.
  static std::shared_ptr<FramedStream> Connect(const std::string& path, const grpc::ByteBuffer& first_message,
                                               std::shared_ptr<StreamInbox> inbox);
  // A client's end that has yet to be connected: by one call of the next two, sooner or later. If it is not
  // open five seconds after this, it ends.
  static std::shared_ptr<FramedStream> Begin(const grpc::ByteBuffer& first_message,
                                             std::shared_ptr<StreamInbox> inbox);
  // `opening`: goes before the first message. No effect where the stream has ended meanwhile.
  void Connected(std::unique_ptr<StreamBytes> bytes, std::string opening = {});
  // It cannot be: Arrival::kClosed, later.
  void Failed(std::string why);
  // What connects it, to be destroyed as soon as that is over.
  void set_connecting(std::shared_ptr<void> connecting) { connecting_ = std::move(connecting); }

  // A server's end, of a connection that was accepted, and is open. Its first message is Arrival::kOpened, and
  // is refused if it does not come within five seconds (over TCP). `received`: what was read already.
  static void Serve(std::unique_ptr<StreamBytes> bytes, std::string received,
                    std::shared_ptr<StreamInbox> inbox, Admit admit);

  // Of these alone. `admit`: a server's.
  FramedStream(std::shared_ptr<StreamInbox> inbox, Admit admit);
  ~FramedStream() override { Abort(); }

  bool Busy() override;
  void Write(const grpc::ByteBuffer& message) override;
  // No Arrival::kClosed follows.
  void End(const grpc::Status& why) override;
  void Abort() override;

 private:
  void Attach(std::unique_ptr<StreamBytes> bytes);
  void GoOnOpening();
  // Every now and then, over TCP: whether there is still somebody.
  void OnLook();

  void ReadNext() override;
  void OnReadable();
  void OnWritable();
  // As much as one turn of the loop reads of one stream.
  void ReadOn();
  void ReadSome();
  void ReadLarge();
  // 0: there is nothing now, or the stream has ended.
  size_t Read(char* to, size_t size);
  // Hands over the messages at the front of `bytes`, as long as the loop takes them, and keeps the rest.
  void Take(std::string_view bytes);
  // False: the stream has ended, or is not to be read on now.
  bool HandOver(grpc::ByteBuffer message);
  // Until the inbox says to read on.
  void Wait();
  void OnEnd(std::string_view end);
  // The other end is gone, or makes no sense.
  void Broke(const std::string& why);
  void Closed(grpc::Status status);
  // Sends what the kernel takes of out_.
  void Flush();
  size_t OutBytes() const;
  // The loop is to say when there is room.
  void AwaitRoom(bool await);
  void SayLast(const std::string& last);

  const std::shared_ptr<StreamInbox> inbox_;
  Admit admit_;  // until the first message
  std::shared_ptr<void> connecting_;
  std::unique_ptr<StreamBytes> bytes_;  // nullptr: not connected yet, or ended
  bool open_ = false;                   // messages go and come
  bool ended_ = false;
  ev_io readable_;
  ev_io writable_;
  ev_timer look_;
  ev_timer read_on_;  // at once: there is more that the socket does not tell of
  int looks_ = 0;

  std::string in_;     // received, and not yet handed over: less than a message, but for a stream that waits
  grpc::Slice large_;  // not empty: a message that comes in several reads
  size_t large_have_ = 0;  // so much of it is there

  std::string opening_;  // goes before the first message
  grpc::Slice out_;      // the message that is being sent, with its length before it
  size_t out_sent_ = 0;  // so much of all
  char out_head_[kFrameHeadBytes] = {};
  bool writing_ = false;  // out_ is not all sent
  bool awaited_ = false;  // the loop wants to know when it is
  bool broken_ = false;   // nothing can be sent any more; the end comes by way of the read
  std::string last_;      // End's word, to be sent when the rest is
};

}  // namespace dormouse
