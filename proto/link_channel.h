// How both ends of the edge link set up gRPC, and what fits into a message.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <memory>
#include <string>

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
// could not be reached before, within a fifth of a second.
std::shared_ptr<grpc::Channel> NewLinkChannel(const std::string& target);

// The same for a server.
void ConfigureLinkServer(grpc::ServerBuilder* builder);

grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& message);
// False where it is not such a message.
bool FromBuffer(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message);

}  // namespace dormouse
