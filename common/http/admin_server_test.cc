#include "common/http/admin_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace dormouse {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kCrowd = 500;
// An answer takes a millisecond; this is far below what waiting for somebody else's deadline would take.
constexpr int64_t kPromptMs = 2'000;

// A blocking socket to a port of this host.
class Visitor {
 public:
  explicit Visitor(int port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Visitor() {
    if (fd_ >= 0) close(fd_);
  }
  Visitor(Visitor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Visitor& operator=(Visitor&&) = delete;

  void Say(const std::string& bytes) const { send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  std::string ReadToEnd() const {
    std::string all;
    char buffer[4096];
    for (ssize_t size = 0; (size = recv(fd_, buffer, sizeof(buffer), 0)) > 0;)
      all.append(buffer, static_cast<size_t>(size));
    return all;
  }

 private:
  int fd_;
};

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    // Some 100 KB of text, far more than such a process has to say.
    auto& family = prometheus::BuildCounter().Name("dormouse_test").Help("For a test").Register(*registry_);
    for (int i = 0; i < 2'000; ++i) family.Add({{"label", "a label that is not short " + std::to_string(i)}});
  }
  std::string Get(const std::string& path) const {
    const Visitor visitor(server_.port());
    visitor.Say("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return visitor.ReadToEnd();
  }
  // While a crowd of others that each have done `act` stays, everybody who asks is answered at once.
  void ExpectPromptBeside(const std::function<void(const Visitor&)>& act, int receive_buffer = 0) const {
    std::vector<Visitor> crowd;
    crowd.reserve(kCrowd);
    for (int i = 0; i < kCrowd; ++i) act(crowd.emplace_back(server_.port(), receive_buffer));
    for (const char* path : {"/healthz", "/readyz", "/metrics", "/healthz"}) {
      const int64_t asked = SteadyMs();
      EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 200 OK\r\n")) << path;
      EXPECT_LT(SteadyMs() - asked, kPromptMs) << path;
    }
  }

  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  AdminServer::Readiness readiness_{.ready = true, .detail = ""};
  AdminServer server_{"127.0.0.1:0", registry_, [this] { return readiness_; }};
};

TEST_F(AdminServerTest, SaysHowTheProcessIs) {
  EXPECT_THAT(Get("/healthz"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n")));
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nready\n")));
  EXPECT_THAT(Get("/metrics"),
              AllOf(HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    HasSubstr("dormouse_test{label=\"a label that is not short 1999\"} 0\n")));
  readiness_ = {.ready = false, .detail = "stopping"};
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\nnot ready: stopping\n")));
  EXPECT_THAT(Get("/elsewhere"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(AdminServerTest, WhoAsksNowAndThenIsToldWhatIs) {
  auto& counter =
      prometheus::BuildCounter().Name("dormouse_now").Help("For a test").Register(*registry_).Add({});
  for (int i = 1; i <= 4; ++i) {
    counter.Increment();
    EXPECT_THAT(Get("/metrics"), HasSubstr("\ndormouse_now " + std::to_string(i) + "\n"));
  }
}

TEST_F(AdminServerTest, WhoAsksWithoutAPauseIsToldSoonAfter) {
  auto& counter =
      prometheus::BuildCounter().Name("dormouse_now").Help("For a test").Register(*registry_).Add({});
  for (int i = 0; i < 200; ++i) Get("/metrics");  // by now, collecting has had what it may have at once
  counter.Increment();
  const int64_t deadline = SteadyMs() + 20'000;
  bool told = false;
  while (!told && SteadyMs() < deadline)
    told = Get("/metrics").find("\ndormouse_now 1\n") != std::string::npos;
  EXPECT_TRUE(told);
}

TEST_F(AdminServerTest, NobodyWaitsForTheSilent) {
  ExpectPromptBeside([](const Visitor&) {});
}

TEST_F(AdminServerTest, NobodyWaitsForHalfARequest) {
  ExpectPromptBeside([](const Visitor& visitor) { visitor.Say("GET /metrics HTTP/1.1\r\nHost:"); });
}

TEST_F(AdminServerTest, NobodyWaitsForWhoDoesNotReadTheAnswer) {
  ExpectPromptBeside([](const Visitor& visitor) { visitor.Say("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); },
                     /*receive_buffer=*/2048);
}

TEST_F(AdminServerTest, NobodyWaitsForWhoKeepsTheConnection) {
  ExpectPromptBeside([](const Visitor& visitor) {
    visitor.Say("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
  });
}

TEST_F(AdminServerTest, NobodyWaitsForGarbageAndEndlessHeaders) {
  ExpectPromptBeside([](const Visitor& visitor) { visitor.Say(std::string(2'000, '\xff')); });
  ExpectPromptBeside(
      [](const Visitor& visitor) { visitor.Say("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x')); });
  const Visitor endless(server_.port());
  endless.Say("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
  EXPECT_THAT(endless.ReadToEnd(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(AdminServerTest, APortIsForOneProcess) {
  const std::string taken = "127.0.0.1:" + std::to_string(server_.port());
  try {
    const AdminServer second(taken, registry_, [this] { return readiness_; });
    FAIL() << "two processes share " << taken;
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(taken), HasSubstr("--admin")));
  }
}

TEST_F(AdminServerTest, SaysWhatTheProcessIs) {
  const std::string text = Get("/metrics");
  const auto value = [&text](const std::string& name) {
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GE(value("process_open_fds"), 4);
  EXPECT_LE(value("process_open_fds"), value("process_max_fds"));
  EXPECT_GE(value("process_threads"), 2);
  const double now = static_cast<double>(WallMs()) / 1000;
  EXPECT_NEAR(value("process_start_time_seconds"), now, 600);
  EXPECT_THAT(text, HasSubstr("dormouse_build_info{version=\"" DORMOUSE_VERSION "\",commit=\""));
}

TEST_F(AdminServerTest, HasNoConfigurationUnlessItIsGivenOne) {
  EXPECT_THAT(Get("/config"), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace dormouse
