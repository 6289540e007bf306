#include "common/rpc/link_channel.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "common/rpc/statekeeper_sockets.h"

namespace dormouse {
namespace {

constexpr int kKeepaliveMs = 2000;         // an unheard peer is asked after this
constexpr int kKeepaliveTimeoutMs = 2000;  // and given up after that
constexpr int kReconnectMs = 100;          // gRPC waits no less
constexpr int kConnectTimeoutMs = 1000;
constexpr int kLookupMs = 1000;      // between two lookups of a name
constexpr int kHandshakeMs = 5'000;  // until a new connection speaks as it should, or is closed

// HOST:PORT whose host is no address.
bool IsName(const std::string& target) {
  return !IsUnixTarget(target) && !target.starts_with("[") &&
         target.find_first_not_of("0123456789.:") != std::string::npos;
}

}  // namespace

LinkChannel::LinkChannel(const std::string& target, std::shared_ptr<const LinkCredentials> credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // A name whose machine was replaced is looked up again soon.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kLookupMs);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // the links do that, with what they know
  // A name may be of several statekeepers, of which one is cut off and says so: the next call goes to the
  // next address, where gRPC by itself stays with the first that it could connect to.
  if (IsName(target)) arguments.SetLoadBalancingPolicyName("round_robin");
  // What a statekeeper's certificate names is its role: its address may be any.
  arguments.SetSslTargetNameOverride(std::string(NameOf(LinkRole::kStatekeeper)));
  if (credentials != nullptr && !IsUnixTarget(target)) credentials_ = std::move(credentials);
  channel_ = grpc::CreateCustomChannel(
      target, credentials_ == nullptr ? grpc::InsecureChannelCredentials() : credentials_->OfChannel(),
      arguments);
}

void LinkChannel::Authorize(grpc::ClientContext* context) const {
  if (credentials_ == nullptr) return;
  const std::string authorization = credentials_->NewAuthorization();
  if (!authorization.empty()) context->AddMetadata("authorization", authorization);
}

const LinkChannel& LinkTarget::Channel(bool again, int64_t steady_ms) {
  if (!channel_ || (again && steady_ms >= made_at_ms_ + kLookupMs)) {
    channel_ = LinkChannel(name_, credentials_);
    made_at_ms_ = steady_ms;
  }
  return channel_;
}

void ConfigureLinkServer(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Gateways ask every kKeepaliveMs, which a server would take for abuse.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kKeepaliveMs / 2);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
}

grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

bool FromBuffer(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message) {
  if (!buffer.Valid()) {
    message->Clear();
    return true;  // an empty message
  }
  grpc::ByteBuffer copy = buffer;  // shares the bytes
  grpc::ProtoBufferReader reader(&copy);
  return reader.status().ok() && message->ParseFromZeroCopyStream(&reader);
}

}  // namespace dormouse
