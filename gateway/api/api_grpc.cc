#include "gateway/api/api_grpc.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "common/http/http_fields.h"
#include "common/rpc/completion_thread.h"
#include "common/rpc/unary_call.h"
#include "proto/api.grpc.pb.h"

namespace dormouse {
namespace {

// Calls of one connection under way; more wait at their client.
constexpr int kCallsOfConnection = 10'000;
constexpr auto kStopPatience = std::chrono::seconds(5);
constexpr std::string_view kBearerOfCall = "Bearer ";

std::string KeyOfCall(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return "";
  const std::string_view text(found->second.data(), found->second.size());
  if (!StartsWithIgnoringCase(text, kBearerOfCall)) return "";
  return std::string(TrimBlanks(text.substr(kBearerOfCall.size())));
}

}  // namespace

class ApiGrpc::Impl {
 public:
  Impl(const std::string& listen, std::shared_ptr<const ApiKeys> keys, uint64_t max_request, Asked asked)
      : keys_(std::move(keys)), asked_(std::move(asked)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(max_request));
    // A successor listens beside this process until that leaves (PortSharers keeps others away).
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 1);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsOfConnection);
    auto queue = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0)
      throw std::runtime_error(fmt::format("--api-grpc-listen: cannot listen on {}", listen));
    thread_ = std::make_unique<CompletionThread>(std::move(queue));
    AcceptUnary(thread_.get(), &service_, &api::Hubs::AsyncService::RequestAsk,
                [this](const grpc::ServerContext& context, const api::Request& request,
                       const std::shared_ptr<UnaryCall<api::Reply>>& call) {
                  const auto key = keys_->NameOf(KeyOfCall(context));
                  if (!key) {
                    return call->Refuse({grpc::StatusCode::UNAUTHENTICATED,
                                         "Send the metadata authorization: Bearer KEY, with a key of this "
                                         "gateway's api-key-file."});
                  }
                  asked_(*key, request, [call](const api::Reply& reply) { call->Answer(reply); });
                });
  }
  ~Impl() {
    server_->Shutdown(std::chrono::system_clock::now());
    if (stopper_.joinable()) stopper_.join();
    thread_.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  int port() const { return port_; }
  void StopListening() {
    if (stopper_.joinable()) return;
    // It waits for those that are under way.
    stopper_ = std::thread([this] { server_->Shutdown(std::chrono::system_clock::now() + kStopPatience); });
  }

 private:
  const std::shared_ptr<const ApiKeys> keys_;
  const Asked asked_;
  api::Hubs::AsyncService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<CompletionThread> thread_;
  std::thread stopper_;
  int port_ = 0;
};

ApiGrpc::ApiGrpc(const std::string& listen, std::shared_ptr<const ApiKeys> keys, uint64_t max_request,
                 Asked asked)
    : impl_(std::make_unique<Impl>(listen, std::move(keys), max_request, std::move(asked))) {}

ApiGrpc::~ApiGrpc() = default;

int ApiGrpc::port() const { return impl_->port(); }

void ApiGrpc::StopListening() { impl_->StopListening(); }

}  // namespace dormouse
