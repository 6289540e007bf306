#include "statekeeper/link/link_server.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "common/auth/gateway_identity.h"
#include "common/logging.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/link_gate.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/rpc/watchers.h"
#include "proto/link.grpc.pb.h"
#include "statekeeper/link/gateway_router.h"
#include "statekeeper/link/local_listener.h"
#include "statekeeper/link/server_stream.h"

namespace dormouse {
namespace {

using Service = link::Edge::WithRawMethod_WatchShards<link::Edge::WithRawMethod_Link<link::Edge::Service>>;

class Server final : public LinkServer, private ServerStream::Acceptor {
 public:
  explicit Server(Config config) : config_(std::move(config)), inboxes_(config_.lanes) {}

  ~Server() override {
    if (server_ != nullptr) {
      for (LinkService* service : config_.services) service->Stop();
      server_->Shutdown(std::chrono::system_clock::now());
    }
    thread_.reset();  // once the last stream is gone: they use the server
    server_.reset();
  }

  std::unique_ptr<GatewayLinks> NewGatewayLinks(uint32_t lane, struct ev_loop* loop,
                                                GatewayLinks::Receiver* receiver) override {
    GatewayLinks::Config config = config_.links;
    config.incarnation = config_.incarnation;
    config.lane = lane;
    auto links = std::make_unique<GatewayRouter>(config, config_.lanes, shard_count_, loop, receiver);
    for (const std::string& address : config_.addresses) {
      if (!IsUnixTarget(address)) continue;
      links->Listen(LaneSocket(address.substr(kUnixScheme.size()), lane),
                    [this, lane](const grpc::ByteBuffer& first_message) {
                      uint32_t meant = 0;
                      const grpc::Status status = JudgeGreeting(first_message, &meant);
                      return status.ok() && meant != lane ? NoGreeting() : status;
                    });
    }
    const std::lock_guard lock(mutex_);
    inboxes_[lane] = links->inbox();
    return links;
  }

  bool Start(std::string* error) override {
    grpc::ServerBuilder builder;
    ConfigureLinkServer(&builder);
    std::vector<int> ports(config_.addresses.size(), 0);
    for (size_t i = 0; i < ports.size(); ++i) {
      const std::string& address = config_.addresses[i];
      // gRPC would take the path away from whoever serves it.
      if (IsUnixTarget(address) && IsServed(address.substr(kUnixScheme.size()))) {
        *error = "cannot listen on " + address + ": another process does";
        return false;
      }
      const bool is_unix = IsUnixTarget(address);
      if (!is_unix && config_.gate == nullptr) {
        *error = fmt::format("cannot listen on {}: whoever reached it would be believed. {}", address,
                             kHowToTrust);
        return false;
      }
      builder.AddListeningPort(
          address, is_unix ? grpc::InsecureServerCredentials() : LinkGate::OfPort(config_.gate), &ports[i]);
    }
    builder.RegisterService(&service_);
    for (LinkService* service : config_.services) builder.RegisterService(service->service());
    thread_ = std::make_unique<CompletionThread>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      *error = "cannot listen:";
      for (size_t i = 0; i < ports.size(); ++i) {
        if (ports[i] == 0) *error += " " + config_.addresses[i] + " is taken or not ours;";
      }
      return false;
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      if (port_ == 0 && !IsUnixTarget(config_.addresses[i])) port_ = ports[i];
    }
    ServerStream::Accept(thread_.get(), this);
    watchers_.Accept(thread_.get(), RequestCallOf(&service_, &Service::RequestWatchShards),
                     [](const grpc::ByteBuffer&) { return grpc::Status::OK; });
    for (LinkService* service : config_.services) service->Serve(thread_.get());
    return true;
  }

  int port() const override { return port_; }

  void Publish(link::ShardMap map) override {
    shard_count_->store(map.shard_count());
    watchers_.Publish(map);
  }
  void Withdraw() override { watchers_.Withdraw(NoShardMap()); }

 private:
  // The gateway asks another statekeeper.
  static grpc::Status NoShardMap() { return {grpc::StatusCode::UNAVAILABLE, "it knows no shard map now"}; }

  void RequestCall(grpc::ServerContext* context, ServerStream::Call* call, grpc::CompletionQueue* queue,
                   void* tag) override {
    service_.RequestLink(context, call, queue, static_cast<grpc::ServerCompletionQueue*>(queue), tag);
  }

  static grpc::Status NoGreeting() {
    return {grpc::StatusCode::INVALID_ARGUMENT, "not a greeting to one of this statekeeper's lanes"};
  }

  // Whether a stream that begins so may go on, and to which lane it goes. Any thread.
  grpc::Status JudgeGreeting(const grpc::ByteBuffer& first_message, uint32_t* lane) const {
    link::ToLane message;
    const bool parsed = FromBuffer(first_message, &message);
    const link::ToLane::Hello& hello = message.hello();
    *lane = hello.lane();
    if (!parsed || hello.identity().size() != kGatewayIdentitySize || hello.lane() >= config_.lanes) {
      SPDLOG_ERROR("Refusing a stream: its first message is not a greeting to one of {} lanes",
                   config_.lanes);
      return NoGreeting();
    }
    if (hello.incarnation() != config_.incarnation) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "another statekeeper listens here now"};
    }
    if (shard_count_->load() == 0) return {grpc::StatusCode::UNAVAILABLE, "no shard map yet"};
    return grpc::Status::OK;
  }

  std::shared_ptr<StreamInbox> FindInbox(const grpc::ByteBuffer& first_message,
                                         grpc::Status* status) override {
    uint32_t lane = 0;
    *status = JudgeGreeting(first_message, &lane);
    if (!status->ok()) return nullptr;
    const std::lock_guard lock(mutex_);
    if (inboxes_[lane] == nullptr) *status = {grpc::StatusCode::UNAVAILABLE, "the lane is not there yet"};
    return inboxes_[lane];
  }

  const Config config_;
  const std::shared_ptr<std::atomic<uint32_t>> shard_count_ = std::make_shared<std::atomic<uint32_t>>(0);
  std::mutex mutex_;
  std::vector<std::shared_ptr<StreamInbox>> inboxes_;  // by lane
  Watchers watchers_{NoShardMap()};                    // WatchShards
  Service service_;
  std::unique_ptr<CompletionThread> thread_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace

std::unique_ptr<LinkServer> NewLinkServer(LinkServer::Config config) {
  return std::make_unique<Server>(std::move(config));
}

}  // namespace dormouse
