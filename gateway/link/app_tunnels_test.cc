// Both ends: a gateway's way to an app, and the statekeeper that leads it to a worker.
#include "gateway/link/app_tunnels.h"

#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "common/clock.h"
#include "common/rpc/testing/test_trust.h"
#include "common/temp_dir.h"
#include "common/unix_address.h"
#include "statekeeper/apps/app_http_service.h"
#include "statekeeper/link/link_server.h"

namespace dormouse {
namespace {

constexpr int kPatienceMs = 20'000;

bool Await(int fd, short event) {
  pollfd one{fd, event, 0};
  return poll(&one, 1, kPatienceMs) == 1;
}

void Send(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      ASSERT_TRUE(Await(fd, POLLOUT));
      continue;
    }
    ASSERT_GT(sent, 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// So many bytes, or fewer if it ends before; all: to the end.
std::string Receive(int fd, size_t size = SIZE_MAX) {
  std::string received;
  std::array<char, 65'536> buffer{};
  while (received.size() < size && Await(fd, POLLIN)) {
    const ssize_t got = recv(fd, buffer.data(), std::min(buffer.size(), size - received.size()), 0);
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) break;
    received.append(buffer.data(), static_cast<size_t>(got));
  }
  return received;
}

std::string Text(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 31 + i / 1'000) % 26);
  return text;
}

class AppTunnelsTest : public testing::Test {
 protected:
  AppTunnelsTest() : path_(directory_ / "app.sock") {
    StartServer();
    tunnels_ = std::make_unique<AppTunnels>(&thread_, trust_.Of(LinkRole::kGateway));
    tunnels_->Keep({address_});
  }
  ~AppTunnelsTest() override {
    tunnels_->End();
    server_.reset();
    if (listener_ >= 0) close(listener_);
  }

  void StartServer() {
    service_ = NewAppHttpService(path_);
    LinkServer::Config config;
    config.addresses = {"127.0.0.1:0"};
    config.gate = trust_.NewGate(registry_.get(), "");
    config.incarnation = 1;
    config.services = {service_.get()};
    server_ = NewLinkServer(config);
    std::string error;
    ASSERT_TRUE(server_->Start(&error)) << error;
    address_ = "127.0.0.1:" + std::to_string(server_->port());
  }
  void ListenAsWorker() {
    const auto address = UnixAddress(path_);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)), 0);
    ASSERT_EQ(listen(listener_, 16), 0);
  }
  int Accept() const {
    EXPECT_TRUE(Await(listener_, POLLIN));
    return accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }
  // Asks until it is connected to the statekeeper.
  int Connect() {
    const int64_t until_ms = SteadyMs() + kPatienceMs;
    for (;;) {
      const int fd = tunnels_->Connect(address_);
      if (fd >= 0 || SteadyMs() > until_ms) return fd;
      std::this_thread::yield();
    }
  }

  TempDir directory_;
  const std::string path_;
  const TestSecret trust_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::unique_ptr<LinkService> service_;
  std::unique_ptr<LinkServer> server_;
  std::string address_;
  int listener_ = -1;
  CompletionThread thread_{std::make_unique<grpc::CompletionQueue>()};
  std::unique_ptr<AppTunnels> tunnels_;
};

TEST_F(AppTunnelsTest, WhatIsSaidAtOneEndIsHeardAtTheOtherAndThenItEnds) {
  ListenAsWorker();
  const int client = Connect();
  ASSERT_GE(client, 0);
  const int worker = Accept();
  const std::string request = Text(300'000);
  const std::string answer = Text(5'000'000);
  std::thread asking([&] { Send(client, request); });
  EXPECT_EQ(Receive(worker, request.size()), request);
  asking.join();
  std::thread answering([&] {
    Send(worker, answer);
    close(worker);
  });
  EXPECT_EQ(Receive(client), answer) << "to the last byte before its end";
  answering.join();
  close(client);
}

TEST_F(AppTunnelsTest, ManyAtOnceDoNotMix) {
  ListenAsWorker();
  constexpr int kMany = 50;
  std::vector<int> clients;
  std::vector<int> workers;
  for (int i = 0; i < kMany; ++i) {
    clients.push_back(Connect());
    ASSERT_GE(clients.back(), 0);
    Send(clients.back(), std::to_string(i) + "\n");
  }
  for (int i = 0; i < kMany; ++i) {
    const int worker = Accept();
    std::string said;
    while (!said.ends_with('\n')) said += Receive(worker, 1);
    Send(worker, "to " + said);
    close(worker);
  }
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(Receive(clients[static_cast<size_t>(i)]), "to " + std::to_string(i) + "\n");
    close(clients[static_cast<size_t>(i)]);
  }
}

TEST_F(AppTunnelsTest, WhoGoesLetsTheOtherGo) {
  ListenAsWorker();
  const int client = Connect();
  const int worker = Accept();
  Send(client, "half a request");
  EXPECT_EQ(Receive(worker, 14), "half a request");
  close(client);
  EXPECT_EQ(Receive(worker), "");
  close(worker);
}

TEST_F(AppTunnelsTest, WhoDoesNotReadStopsWhoSends) {
  ListenAsWorker();
  const int client = Connect();
  const int worker = Accept();
  const std::string part = Text(65'536);
  size_t taken = 0;
  int64_t moved_ms = SteadyMs();
  while (SteadyMs() - moved_ms < 500) {  // until nothing more is taken
    const ssize_t sent = send(worker, part.data(), part.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      taken += static_cast<size_t>(sent);
      moved_ms = SteadyMs();
    } else {
      poll(nullptr, 0, 10);
    }
  }
  EXPECT_LT(taken, 16u << 20) << "sockets and the window of one stream hold no more";
  close(worker);
  EXPECT_EQ(Receive(client).size(), taken);
  close(client);
}

TEST_F(AppTunnelsTest, WaitsForAWorkerThatStartsAgain) {
  const int client = Connect();
  ASSERT_GE(client, 0);
  Send(client, "early");
  ListenAsWorker();
  const int worker = Accept();
  EXPECT_EQ(Receive(worker, 5), "early");
  close(worker);
  EXPECT_EQ(Receive(client), "");
  close(client);
}

TEST_F(AppTunnelsTest, EndsWithItsStatekeeper) {
  ListenAsWorker();
  const int client = Connect();
  const int worker = Accept();
  server_.reset();
  EXPECT_EQ(Receive(client), "");
  EXPECT_EQ(Receive(worker), "");
  close(client);
  close(worker);
  const int64_t until_ms = SteadyMs() + kPatienceMs;
  int fd = tunnels_->Connect(address_);
  while (fd >= 0 && SteadyMs() < until_ms) {
    close(fd);
    fd = tunnels_->Connect(address_);
  }
  EXPECT_EQ(fd, -1) << "who cannot be reached is passed over";
}

TEST_F(AppTunnelsTest, AStrangerGetsNothing) {
  ListenAsWorker();
  const TestSecret another('x');
  AppTunnels strangers(&thread_, another.Of(LinkRole::kGateway));
  strangers.Keep({address_});
  int client = -1;
  const int64_t until_ms = SteadyMs() + kPatienceMs;
  while (client < 0 && SteadyMs() < until_ms) client = strangers.Connect(address_);
  Send(client, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(client), "");
  close(client);
  pollfd listening{listener_, POLLIN, 0};
  EXPECT_EQ(poll(&listening, 1, 100), 0) << "no worker hears of it";
  strangers.End();
}

}  // namespace
}  // namespace dormouse
