// What of the pipeline cannot be seen through a Store; the rest is in store_redis_test.cc.
#include "statekeeper/store/redis/redis_pipeline.h"

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <list>
#include <vector>

#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

// A link to a server that can hold back what a client sends, as a network does that loses packets and sends
// them again: it may deliver after the client has gone.
class SlowLink {
 public:
  SlowLink(struct ev_loop* loop, std::string server)
      : loop_(loop), server_(std::move(server)), accept_(loop) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = Address(socket());
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 10), 0);
    accept_.set<SlowLink, &SlowLink::OnClient>(this);
    accept_.start(listener_, ev::READ);
  }
  ~SlowLink() {
    close(listener_);
    for (const Connection& connection : connections_) {
      close(connection.client);
      close(connection.server);
    }
  }

  std::string socket() const { return directory_ / "link.sock"; }

  // From now on what the clients of today send is held back. New ones are served.
  void Hold() {
    for (Connection& connection : connections_) connection.holding = true;
  }
  size_t held_bytes() const {
    size_t bytes = 0;
    for (const Connection& connection : connections_) bytes += connection.held.size();
    return bytes;
  }
  // Delivers it. True: the server has carried out something of it.
  bool Release() {
    bool taken = false;
    for (Connection& connection : connections_) {
      if (connection.held.empty()) continue;
      connection.to_client.stop();
      send(connection.server, connection.held.data(), connection.held.size(), MSG_NOSIGNAL);
      connection.held.clear();
      char answer[64];
      taken = taken || recv(connection.server, answer, sizeof(answer), 0) > 0;
    }
    return taken;
  }

 private:
  struct Connection {
    explicit Connection(struct ev_loop* loop) : to_server(loop), to_client(loop) {}
    void OnClientData(ev::io&, int) {
      char data[65536];
      const ssize_t size = recv(client, data, sizeof(data), 0);
      if (size <= 0) {
        to_server.stop();
        if (!holding) shutdown(server, SHUT_WR);
      } else if (holding) {
        held.append(data, size);
      } else {
        send(server, data, size, MSG_NOSIGNAL);
      }
    }
    void OnServerData(ev::io&, int) {
      char data[65536];
      const ssize_t size = recv(server, data, sizeof(data), 0);
      if (size <= 0) {
        to_client.stop();
        shutdown(client, SHUT_WR);
      } else {
        send(client, data, size, MSG_NOSIGNAL);
      }
    }
    int client = -1;
    int server = -1;
    bool holding = false;
    std::string held;
    ev::io to_server;
    ev::io to_client;
  };

  static sockaddr_un Address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    return address;
  }

  void OnClient(ev::io&, int) {
    Connection& connection = connections_.emplace_back(loop_);
    connection.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    connection.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = Address(server_);
    EXPECT_EQ(connect(connection.server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    connection.to_server.set<Connection, &Connection::OnClientData>(&connection);
    connection.to_server.start(connection.client, ev::READ);
    connection.to_client.set<Connection, &Connection::OnServerData>(&connection);
    connection.to_client.start(connection.server, ev::READ);
  }

  struct ev_loop* const loop_;
  const std::string server_;
  TempDir directory_;
  int listener_ = -1;
  ev::io accept_;
  std::list<Connection> connections_;
};

class RedisPipelineTest : public testing::Test {
 protected:
  RedisPipelineTest() {
    RedisConfig config;
    config.server.kind = RedisUrl::Kind::kUnixSocket;
    config.server.unix_path = link_.socket();
    config.probe_key = "probe";
    config.timeout = Duration(200);
    pipeline_.emplace(loop_, config);
    loop_.RunUntil([this] { return pipeline_->healthy(); });
  }

  StoreStatus Set(const std::string& value) {
    std::optional<StoreStatus> answer;
    pipeline_->Call("key", RedisCommand("SET", "key", value),
                    [&](StoreStatus status, const redisReply*) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    return answer.value();
  }

  RedisServer server_;
  TestLoop loop_;
  SlowLink link_{loop_, server_.socket()};
  std::optional<RedisPipeline> pipeline_;
};

TEST_F(RedisPipelineTest, WhatFailedIsNotCarriedOutAfterWhatCameLater) {
  ASSERT_EQ(Set("first"), StoreStatus::kOk);
  link_.Hold();
  EXPECT_EQ(Set("failed"), StoreStatus::kUnavailable);
  loop_.RunUntil([this] { return pipeline_->healthy(); });
  ASSERT_EQ(Set("later"), StoreStatus::kOk);
  ASSERT_GT(link_.held_bytes(), 0u);
  EXPECT_FALSE(link_.Release());
  EXPECT_EQ(server_.Ask({"GET", "key"}), "later");
}

TEST_F(RedisPipelineTest, AConnectionOfAnEarlierServerIsNobodyElsesNow) {
  // Clients are numbered from the start of the server: the number of our last connection will be a
  // stranger's.
  for (int i = 0; i < 20; ++i) server_.Ask({"PING"});
  server_.Ask({"CLIENT", "KILL", "TYPE", "normal"});
  loop_.RunUntil([this] { return !pipeline_->healthy(); });
  loop_.RunUntil([this] { return pipeline_->healthy(); });
  int64_t number = 0;
  pipeline_->Call("", RedisCommand("CLIENT", "ID"),
                  [&number](StoreStatus, const redisReply* reply) { number = reply->integer; });
  loop_.RunUntil([&number] { return number != 0; });
  server_.Stop();
  loop_.RunUntil([this] { return !pipeline_->healthy(); });
  server_.Start();
  std::vector<redisContext*> strangers;
  strangers.reserve(number);
  for (int i = 0; i < number; ++i) strangers.push_back(redisConnectUnix(server_.socket().c_str()));
  loop_.RunUntil([this] { return pipeline_->healthy(); });
  for (redisContext* stranger : strangers) {
    void* reply = redisCommand(stranger, "PING");
    EXPECT_NE(reply, nullptr) << "was killed";
    freeReplyObject(reply);
    redisFree(stranger);
  }
}

}  // namespace
}  // namespace dormouse
