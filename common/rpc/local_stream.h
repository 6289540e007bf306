// A stream of the edge link between two processes of one host: a unix socket, read and written by the loop
// that owns the stream. No thread is between, so a message costs one system call at each end, where gRPC's
// stream costs several and the wake-up of a thread at each of two hops. What it says is the same.
//
// The bytes. Each message of link.proto follows its length: 4 bytes, little-endian. The length kEndMark is
// followed by a link.StreamEnd, as a message is by its own length, and that by nothing.
//
// Trust. Who can connect is believed: the socket's directory is the user's own (see LinkServer). That a
// process at the other end is gone, the kernel says at once; one that is only stopped is silent, as is one
// that computes, and what then happens is up to those who wait for it.
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

#include "common/rpc/link_stream.h"

namespace dormouse {

class StreamInbox;

// Where lane `lane` of the statekeeper that listens at `path` takes such streams: PATH.LANE
std::string LaneSocket(const std::string& path, uint32_t lane);

class LocalStream final : public LinkStream, public std::enable_shared_from_this<LocalStream> {
 public:
  // Whether a stream that begins so may go on.
  using Admit = std::function<grpc::Status(const grpc::ByteBuffer& first_message)>;

  // A client's end. When it cannot be opened, that is Arrival::kClosed, later.
  static std::shared_ptr<LocalStream> Connect(const std::string& path, const grpc::ByteBuffer& first_message,
                                              std::shared_ptr<StreamInbox> inbox);
  // A server's end, of a connection that was accepted. Its first message is Arrival::kOpened.
  static void Serve(int fd, std::shared_ptr<StreamInbox> inbox, Admit admit);

  // Of Connect and Serve alone. `admit`: a server's.
  LocalStream(int fd, std::shared_ptr<StreamInbox> inbox, Admit admit);
  ~LocalStream() override { Abort(); }

  bool Busy() override;
  void Write(const grpc::ByteBuffer& message) override;
  // No Arrival::kClosed follows.
  void End(const grpc::Status& why) override;
  void Abort() override;

 private:
  static constexpr uint32_t kEndMark = 0xffffffff;

  void ReadNext() override;
  void OnReadable();
  void OnWritable();
  // 0: there is nothing now, or the stream has ended.
  size_t Read(char* to, size_t size);
  void ReadLarge();
  // Hands over the messages at the front of `bytes`, as long as the loop takes them, and keeps the rest.
  void Take(std::string_view bytes);
  // False: the stream has ended, or is not to be read on now.
  bool HandOver(grpc::ByteBuffer message);
  // Until the inbox says to read on.
  void Wait();
  void OnEnd(std::string_view end);
  // The other end is gone, or makes no sense.
  void Broke(const char* why);
  void Closed(grpc::Status status);
  // Sends what the kernel takes of out_.
  void Flush();

  const std::shared_ptr<StreamInbox> inbox_;
  Admit admit_;  // until the first message
  int fd_;
  ev_io readable_;
  ev_io writable_;

  std::string in_;     // received, and not yet handed over: less than a message, but for a stream that waits
  grpc::Slice large_;  // not empty: a message that comes in several reads
  size_t large_have_ = 0;  // so much of it is there

  grpc::Slice out_;      // the message that is being sent, with its length before it
  size_t out_sent_ = 0;  // so much of both
  char out_head_[4] = {};
  bool writing_ = false;  // out_ is not all sent
  bool awaited_ = false;  // the loop wants to know when it is
  bool broken_ = false;   // nothing can be sent any more; the end comes by way of the read
  std::string last_;      // End's word, to be sent when the rest is
};

}  // namespace dormouse
