// How both ends of the edge link set up gRPC, and what fits into a message.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/rpc/link_credentials.h"

namespace google::protobuf {
class MessageLite;
}

namespace dormouse {

// Batches are written once they reach this size. A record never splits, so a larger one makes a larger batch.
inline constexpr size_t kBatchBytes = 1u << 20;
// The largest message that either end takes.
inline constexpr size_t kMaxMessageBytes = 64u << 20;
// The largest record, so that a batch that one more was put into still fits.
inline constexpr size_t kMaxRecordBytes = kMaxMessageBytes - 2 * kBatchBytes;

// A channel to "HOST:PORT" or "unix:PATH" that notices a dead peer within five seconds and a living one, that
// could not be reached before, within a fifth of a second; and what calls over it carry.
class LinkChannel {
 public:
  LinkChannel() = default;
  // `credentials`: used over TCP alone. nullptr: none.
  explicit LinkChannel(const std::string& target,
                       std::shared_ptr<const LinkCredentials> credentials = nullptr);

  explicit operator bool() const { return channel_ != nullptr; }
  const std::shared_ptr<grpc::Channel>& grpc() const { return channel_; }
  // To be called for each call, before it starts.
  void Authorize(grpc::ClientContext* context) const;

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<const LinkCredentials> credentials_;  // nullptr: calls carry nothing
};

// "HOST:PORT" or "unix:PATH", for whoever tries it again and again. A name that gRPC does not find it looks
// up again after 1 s, 1.6 s, and so on up to two minutes, and nothing hurries it: far too late for a name
// that is known again, as that of a container that is replaced. So tries that follow a failure get a new
// channel now and then, with the certificate that is in force by then.
class LinkTarget {
 public:
  LinkTarget(std::string name, std::shared_ptr<const LinkCredentials> credentials)
      : name_(std::move(name)), credentials_(std::move(credentials)) {}

  const std::string& name() const { return name_; }
  // The channel for the next try. `again`: the last one failed. Channels that it gave before stay good.
  const LinkChannel& Channel(bool again, int64_t steady_ms);

 private:
  const std::string name_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  LinkChannel channel_;
  int64_t made_at_ms_ = 0;
};

// The same as LinkChannel for a server.
void ConfigureLinkServer(grpc::ServerBuilder* builder);

grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& message);
// False where it is not such a message.
bool FromBuffer(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message);

}  // namespace dormouse
