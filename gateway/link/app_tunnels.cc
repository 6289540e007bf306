#include "gateway/link/app_tunnels.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/async_stream.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proto/app.grpc.pb.h"

namespace dormouse {
namespace {

class Tunnel final : public ByteTunnel {
 public:
  Tunnel(CompletionThread* thread, ByteTunnels* tunnels, const LinkChannel& channel, int fd)
      : ByteTunnel(thread, tunnels), stub_(app::AppHttp::NewStub(channel.grpc())), waiting_fd_(fd) {
    channel.Authorize(&context_);
  }
  ~Tunnel() override {
    if (waiting_fd_ >= 0) close(waiting_fd_);
  }

  void Open() {
    if (!tunnels()->Add(shared_from_this())) return;
    stream_ = stub_->PrepareAsyncPass(&context_, cq());
    stream_->StartCall(open_.Start());
  }

 private:
  void Opened(bool ok) {
    PostSelf([this, ok] {
      if (!ok) return Close();
      if (!is_closed()) Begin(std::exchange(waiting_fd_, -1));
    });
  }

  void StartRead(app::Bytes* into, void* tag) override { stream_->Read(into, tag); }
  void StartWrite(const app::Bytes& bytes, void* tag) override { stream_->Write(bytes, tag); }
  void Cancel() override {
    if (waiting_fd_ >= 0) close(std::exchange(waiting_fd_, -1));  // the exchange is to hear of it
    context_.TryCancel();
  }

  const std::unique_ptr<app::AppHttp::Stub> stub_;
  int waiting_fd_;  // until the stream is open
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<app::Bytes, app::Bytes>> stream_;
  Operation<Tunnel> open_{this, &Tunnel::Opened};
};

}  // namespace

void AppTunnels::Keep(const std::vector<std::string>& addresses) {
  std::erase_if(channels_, [&](const auto& item) {
    return std::ranges::find(addresses, item.first) == addresses.end();
  });
  for (const std::string& address : addresses) {
    if (!channels_.contains(address)) channels_.emplace(address, LinkChannel(address, credentials_));
  }
}

int AppTunnels::Connect(const std::string& address) {
  const auto found = channels_.find(address);
  // Asked for its state it connects, if it has not; whoever waits asks again.
  if (found == channels_.end() || found->second.grpc()->GetState(true) != GRPC_CHANNEL_READY) return -1;
  std::array<int, 2> ends{-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) return -1;
  if (tunnels_ == nullptr) tunnels_ = std::make_unique<ByteTunnels>();
  auto tunnel = std::make_shared<Tunnel>(thread_, tunnels_.get(), found->second, ends[1]);
  tunnels_->Post([tunnel] { tunnel->Open(); });
  return ends[0];
}

}  // namespace dormouse
