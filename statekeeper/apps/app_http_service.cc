#include "statekeeper/apps/app_http_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "common/clock.h"
#include "common/rpc/byte_tunnel.h"
#include "common/unix_address.h"
#include "proto/app.grpc.pb.h"

namespace dormouse {
namespace {

constexpr int64_t kConnectMs = 5'000;
constexpr double kAgainSeconds = 0.05;

using Async = app::AppHttp::AsyncService;

class Passage final : public ByteTunnel {
 public:
  struct Server {
    CompletionThread* thread;
    ByteTunnels* tunnels;
    Async* service;
    const std::string* socket;
  };

  // Waits for a stream, and when it is there for the next one, until the server shuts down.
  static void Accept(const Server& server) {
    const auto passage = std::make_shared<Passage>(server);
    auto* const queue = static_cast<grpc::ServerCompletionQueue*>(passage->cq());
    server.service->RequestPass(&passage->context_, &passage->stream_, queue, queue,
                                passage->accept_.Start());
  }

  explicit Passage(const Server& server)
      : ByteTunnel(server.thread, server.tunnels), server_(server), stream_(&context_) {
    ev_timer_init(
        &again_,
        [](struct ev_loop*, ev_timer* timer, int) {
          const auto self = static_cast<Passage*>(timer->data)->shared_from_this();
          static_cast<Passage*>(self.get())->Connect();
        },
        0, kAgainSeconds);
    again_.data = this;
  }

 private:
  void Accepted(bool ok) {
    if (!ok) return;  // the server shuts down
    Accept(server_);
    PostSelf([this] { Open(); });
  }

  void Open() {
    until_ms_ = SteadyMs() + kConnectMs;
    if (!tunnels()->Add(shared_from_this())) return context_.TryCancel();
    Connect();
  }

  void Connect() {
    if (is_closed()) return ev_timer_stop(tunnels()->loop(), &again_);
    const int fd = ConnectToUnixSocket(*server_.socket);
    if (fd < 0 && SteadyMs() < until_ms_) {
      if (!ev_is_active(&again_)) ev_timer_again(tunnels()->loop(), &again_);
      return;
    }
    ev_timer_stop(tunnels()->loop(), &again_);
    if (fd < 0) return Close();
    Begin(fd);
  }

  void StartRead(app::Bytes* into, void* tag) override { stream_.Read(into, tag); }
  void StartWrite(const app::Bytes& bytes, void* tag) override { stream_.Write(bytes, tag); }
  void Cancel() override {
    ev_timer_stop(tunnels()->loop(), &again_);
    if (!is_finishing_) context_.TryCancel();
  }
  bool FinishInOrder() override {
    is_finishing_ = true;
    stream_.Finish(grpc::Status::OK, finish_.Start());
    return true;
  }
  void Finished(bool) {
    context_.TryCancel();  // so that the read in flight ends, too
    PostSelf([this] { Close(); });
  }

  const Server server_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<app::Bytes, app::Bytes> stream_;
  Operation<Passage> accept_{this, &Passage::Accepted};
  Operation<Passage> finish_{this, &Passage::Finished};
  ev_timer again_;
  int64_t until_ms_ = 0;
  bool is_finishing_ = false;
};

class Service final : public LinkService {
 public:
  explicit Service(std::string socket) : socket_(std::move(socket)) {}

  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override { Passage::Accept({thread, &tunnels_, &service_, &socket_}); }
  void Stop() override { tunnels_.EndAll(); }

 private:
  const std::string socket_;
  Async service_;
  ByteTunnels tunnels_;
};

}  // namespace

std::unique_ptr<LinkService> NewAppHttpService(std::string socket) {
  return std::make_unique<Service>(std::move(socket));
}

}  // namespace dormouse
