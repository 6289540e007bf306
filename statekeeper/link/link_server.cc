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
#include "statekeeper/link/lane_entrance.h"
#include "statekeeper/link/link_port.h"
#include "statekeeper/link/local_listener.h"
#include "statekeeper/link/server_stream.h"

namespace dormouse {
namespace {

using Service = link::Edge::WithRawMethod_WatchShards<link::Edge::WithRawMethod_Link<link::Edge::Service>>;

class Server final : public LinkServer, private ServerStream::Acceptor {
 public:
  explicit Server(Config config)
      : config_(std::move(config)), inboxes_(config_.lanes), entrances_(config_.lanes) {}

  ~Server() override {
    ports_.clear();  // they use the server
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
    const auto admit = [this, lane](const grpc::ByteBuffer& first_message) {
      uint32_t meant = 0;
      const grpc::Status status = JudgeGreeting(first_message, &meant);
      return status.ok() && meant != lane ? NoGreeting() : status;
    };
    for (const std::string& address : config_.addresses) {
      if (IsUnixTarget(address)) links->Listen(LaneSocket(address.substr(kUnixScheme.size()), lane), admit);
    }
    const std::lock_guard lock(mutex_);
    inboxes_[lane] = links->inbox();
    entrances_[lane] = links->OpenEntrance(admit);
    return links;
  }

  bool Start(std::string* error) override {
    grpc::ServerBuilder builder;
    ConfigureLinkServer(&builder);
    for (const std::string& address : config_.addresses) {
      if (IsUnixTarget(address)) {
        // gRPC would take the path away from whoever serves it.
        if (IsServed(address.substr(kUnixScheme.size()))) {
          *error = "cannot listen on " + address + ": another process does";
          return false;
        }
        builder.AddListeningPort(address, grpc::InsecureServerCredentials());
        continue;
      }
      if (config_.gate == nullptr) {
        *error = fmt::format("cannot listen on {}: whoever reached it would be believed. {}", address,
                             kHowToTrust);
        return false;
      }
      ports_.push_back(LinkPort::Listen(address, config_.gate, error));
      if (ports_.back() == nullptr) return false;
    }
    if (!ports_.empty()) {
      acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
          LinkGate::OfPort(config_.gate));
    }
    builder.RegisterService(&service_);
    for (LinkService* service : config_.services) builder.RegisterService(service->service());
    thread_ = std::make_unique<CompletionThread>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      *error =
          fmt::format("cannot listen: one of {} is taken or not ours", fmt::join(config_.addresses, ", "));
      return false;
    }
    ServerStream::Accept(thread_.get(), this);
    watchers_.Accept(thread_.get(), RequestCallOf(&service_, &Service::RequestWatchShards),
                     [](const grpc::ByteBuffer&) { return grpc::Status::OK; });
    for (LinkService* service : config_.services) service->Serve(thread_.get());
    for (const auto& port : ports_) {
      port->Start({.grpc = [this](int fd) { HandToGrpc(fd); },
                   .lane = [this](uint32_t lane, std::unique_ptr<StreamBytes>* bytes,
                                  std::string received) { return Enter(lane, bytes, std::move(received)); }});
    }
    return true;
  }

  int port() const override { return ports_.empty() ? 0 : ports_.front()->number(); }

  void Publish(link::ShardMap map) override {
    shard_count_->store(map.shard_count());
    watchers_.Publish(map);
  }
  void Withdraw() override { watchers_.Withdraw(NoShardMap()); }

 private:
  // The gateway asks another statekeeper.
  static grpc::Status NoShardMap() { return {grpc::StatusCode::UNAVAILABLE, "it knows no shard map now"}; }

  // --- From a port, on its thread.

  void HandToGrpc(int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  }
  grpc::Status Enter(uint32_t lane, std::unique_ptr<StreamBytes>* bytes, std::string received) {
    if (lane >= config_.lanes) return NoGreeting();
    std::shared_ptr<LaneEntrance> entrance;
    {
      const std::lock_guard lock(mutex_);
      entrance = entrances_[lane];
    }
    if (entrance == nullptr) return NoLane();
    if (entrance->Put(bytes, std::move(received))) return grpc::Status::OK;
    return {grpc::StatusCode::UNAVAILABLE, "too many streams come to the lane at once"};
  }

  // --- From gRPC.

  void RequestCall(grpc::ServerContext* context, ServerStream::Call* call, grpc::CompletionQueue* queue,
                   void* tag) override {
    service_.RequestLink(context, call, queue, static_cast<grpc::ServerCompletionQueue*>(queue), tag);
  }

  static grpc::Status NoGreeting() {
    return {grpc::StatusCode::INVALID_ARGUMENT, "not a greeting to one of this statekeeper's lanes"};
  }

  static grpc::Status NoLane() { return {grpc::StatusCode::UNAVAILABLE, "the lane is not there yet"}; }

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
    if (inboxes_[lane] == nullptr) *status = NoLane();
    return inboxes_[lane];
  }

  const Config config_;
  const std::shared_ptr<std::atomic<uint32_t>> shard_count_ = std::make_shared<std::atomic<uint32_t>>(0);
  std::mutex mutex_;
  std::vector<std::shared_ptr<StreamInbox>> inboxes_;  // by lane, as are these
  std::vector<std::shared_ptr<LaneEntrance>> entrances_;
  Watchers watchers_{NoShardMap()};  // WatchShards
  Service service_;
  std::unique_ptr<CompletionThread> thread_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;  // of what the ports hand on
  std::vector<std::unique_ptr<LinkPort>> ports_;
};

}  // namespace

std::unique_ptr<LinkServer> NewLinkServer(LinkServer::Config config) {
  return std::make_unique<Server>(std::move(config));
}

}  // namespace dormouse
