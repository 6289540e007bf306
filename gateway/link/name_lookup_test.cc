// Gateways find a statekeeper by a name that was not known for a while, soon after it is; and by a name of
// several machines, some of which are dead.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/rpc/testing/test_trust.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

// By itself gRPC looks a sixth time after 13 s at the earliest; once a second, it is after 5 s.
constexpr int kFailures = 5;
constexpr auto kPatience = std::chrono::seconds(9);

// Knows no name for so many lookups; then each is all of these: 127.0.0.N.
class NameServer {
 public:
  NameServer(int failures, std::vector<char> addresses)
      : failures_(failures), addresses_(std::move(addresses)), socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address_), size) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &size) != 0) {
      std::abort();
    }
    thread_ = std::thread([this] { Serve(); });
  }
  ~NameServer() {
    sendto(socket_, "", 0, 0, reinterpret_cast<sockaddr*>(&address_), sizeof(address_));
    thread_.join();
    close(socket_);
  }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  // What gRPC takes for "this name and port, as that name server says". The dot at the end: no search list.
  std::string Target(int port) const {
    return "dns://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)) +
           "/statekeeper.test.:" + std::to_string(port);
  }

 private:
  void Serve() {
    std::array<char, 512> buffer;
    for (int lookups = 0;;) {
      sockaddr_in from{};
      socklen_t size = sizeof(from);
      const ssize_t got =
          recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 12) return;  // the end
      // The header with one question: its name ends with an empty part, type and class follow.
      const size_t question_end =
          std::string_view(buffer.data(), static_cast<size_t>(got)).find('\0', 12) + 5;
      const bool for_ipv4 = buffer[question_end - 3] == 1;
      if (for_ipv4) ++lookups;
      const bool known = lookups > failures_;
      std::string reply(buffer.data(), question_end);
      reply.replace(2, 2, known ? std::string_view("\x81\x80", 2) : std::string_view("\x81\x83", 2));
      reply.replace(6, 6, std::string(6, '\0'));
      if (known && for_ipv4) {
        reply[7] = static_cast<char>(addresses_.size());
        for (const char address : addresses_) {
          reply += std::string_view("\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0", 15);
          reply += address;
        }
      }
      sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  const int failures_;
  const std::vector<char> addresses_;
  const int socket_;
  sockaddr_in address_{};
  std::thread thread_;
};

class NameLookupTest : public testing::Test {
 protected:
  // Whether a gateway that was told of `statekeeper` is ready in time.
  bool IsReadySoon(const std::string& statekeeper) const {
    const auto begin = std::chrono::steady_clock::now();
    TestGateway gateway({.identity = TestIdentity(1),
                         .statekeepers = {statekeeper},
                         .credentials = trust_.Of(LinkRole::kGateway)});
    return gateway.AwaitReady() && std::chrono::steady_clock::now() - begin < kPatience;
  }

  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
  const TestSecret trust_;
  prometheus::Registry registry_;
  const std::shared_ptr<const LinkGate> gate_ = trust_.NewGate(&registry_);
};

TEST_F(NameLookupTest, OfTheStatekeeperThatAGatewayWasTold) {
  TestStatekeeper statekeeper(
      {.addresses = {"unix:" + path_, "127.0.0.1:0"}, .gate = gate_, .unix_path = path_});
  ASSERT_TRUE(statekeeper.Start());
  NameServer names(kFailures, {1});
  EXPECT_TRUE(IsReadySoon(names.Target(statekeeper.server().port())));
}

TEST_F(NameLookupTest, OfTheStatekeeperThatTheShardMapNames) {
  TestStatekeeper statekeeper({.addresses = {"unix:" + path_, "127.0.0.1:0"}, .gate = gate_});
  ASSERT_TRUE(statekeeper.Start());
  NameServer names(kFailures, {1});
  statekeeper.Publish(1, names.Target(statekeeper.server().port()));
  EXPECT_TRUE(IsReadySoon("unix:" + path_));
}

// Takes connections and says nothing, as a process that is stopped.
class SilentServer {
 public:
  explicit SilentServer(char address, int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(static_cast<uint16_t>(port));
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + static_cast<uint8_t>(address));
    if (bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof(own)) != 0 || listen(socket_, 16) != 0) {
      std::abort();
    }
  }
  ~SilentServer() { close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  bool WasAsked() const {
    const int client = accept(socket_, nullptr, nullptr);
    if (client < 0) return false;
    close(client);
    return true;
  }

 private:
  const int socket_;
};

TEST_F(NameLookupTest, OfManyMachinesFindsTheOneThatLives) {
  TestStatekeeper statekeeper(
      {.addresses = {"unix:" + path_, "127.0.0.1:0"}, .gate = gate_, .unix_path = path_});
  ASSERT_TRUE(statekeeper.Start());
  const int port = statekeeper.server().port();
  const SilentServer hangs(3, port);
  NameServer names(0, {2, 3, 1});  // nobody listens at the first
  EXPECT_TRUE(IsReadySoon(names.Target(port)));
  EXPECT_TRUE(hangs.WasAsked());
}

// One that is cut off from the store has no map to give; it can be reached, and is the first.
TEST_F(NameLookupTest, OfManyMachinesFindsOneThatKnowsTheMap) {
  TestStatekeeper knows({.addresses = {"unix:" + path_, "127.0.0.1:0"}, .gate = gate_, .unix_path = path_});
  ASSERT_TRUE(knows.Start());
  const int port = knows.server().port();
  TestStatekeeper cut_off(
      {.addresses = {"127.0.0.2:" + std::to_string(port)}, .gate = gate_, .incarnation = 2});
  ASSERT_TRUE(cut_off.Listen());
  NameServer names(0, {2, 1});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(IsReadySoon(names.Target(port)));
}

}  // namespace
}  // namespace dormouse
