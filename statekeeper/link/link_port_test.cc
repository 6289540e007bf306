// Strangers at a statekeeper's port: what they say costs nobody else anything.
#include "statekeeper/link/link_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/descriptor_limit.h"
#include "common/rpc/frame_head.h"
#include "common/rpc/link_opening.h"
#include "common/rpc/testing/test_trust.h"
#include "common/rpc/tls_bytes.h"

namespace dormouse {
namespace {

constexpr int kPatienceMs = 20'000;

class LinkPortTest : public testing::TestWithParam<bool> {
 protected:
  LinkPortTest() {
    RaiseDescriptorLimit();
    std::string error;
    port_ = LinkPort::Listen("127.0.0.1:0", trust().NewGate(&registry_), &error);
    EXPECT_EQ(error, "");
    port_->Start({.grpc =
                      [this](int fd) {
                        const std::lock_guard lock(mutex_);
                        to_grpc_.push_back(fd);
                      },
                  .lane =
                      [this](uint32_t lane, std::unique_ptr<StreamBytes>* bytes, std::string received) {
                        const std::lock_guard lock(mutex_);
                        if (lane > 3) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no such lane");
                        to_lanes_.push_back({lane, std::move(*bytes), std::move(received)});
                        return grpc::Status::OK;
                      }});
  }
  ~LinkPortTest() override {
    port_.reset();
    for (const int fd : to_grpc_) close(fd);
    for (const int fd : sockets_) close(fd);
  }

  bool with_tls() const { return GetParam(); }
  const TestTrust& trust() const {
    return with_tls() ? static_cast<const TestTrust&>(certificates_) : secret_;
  }

  int Connect(const std::string& say = "") {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port_->number()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    if (!say.empty()) send(fd, say.data(), say.size(), MSG_NOSIGNAL);
    sockets_.push_back(fd);
    return fd;
  }
  // That it is closed, and after how long.
  static int64_t AwaitClosed(int fd) {
    const int64_t begin_ms = SteadyMs();
    char byte;
    for (;;) {
      pollfd one{fd, POLLIN, 0};
      if (poll(&one, 1, kPatienceMs) != 1) return -1;
      if (recv(fd, &byte, 1, MSG_DONTWAIT) <= 0) return SteadyMs() - begin_ms;
    }
  }
  // A stream of somebody who belongs here: it is passed on to the lane, and `greeting` with it.
  void ExpectLetIn(uint32_t lane, const std::string& greeting) {
    const int64_t begin_ms = SteadyMs();
    const auto gateway = trust().Of(LinkRole::kGateway);
    const int fd = Connect(LinkMark(with_tls()));
    sockets_.pop_back();
    std::unique_ptr<StreamBytes> bytes;
    if (!with_tls()) {
      bytes = PlainBytes::OfTcp(fd);
    } else {
      std::string wrong;
      bytes = std::make_unique<TlsBytes>(gateway->OfStreams(TlsContext::Role::kClient, &wrong), fd);
      StreamBytes::Opening opening;
      while ((opening = bytes->Open()) == StreamBytes::Opening::kReads) {
        pollfd one{fd, POLLIN, 0};
        ASSERT_EQ(poll(&one, 1, kPatienceMs), 1);
      }
      ASSERT_EQ(opening, StreamBytes::Opening::kDone);
    }
    link::StreamOpening opening;
    opening.set_lane(lane);
    opening.set_authorization(gateway->NewAuthorization());
    std::string said = PrintOpening(opening) + greeting;
    const iovec all{said.data(), said.size()};
    ASSERT_EQ(bytes->Write(&all, 1), static_cast<ssize_t>(said.size()));
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (!to_lanes_.empty()) break;
      }
      ASSERT_LT(SteadyMs(), begin_ms + kPatienceMs);
      std::this_thread::yield();
    }
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(to_lanes_[0].lane, lane);
    EXPECT_EQ(to_lanes_[0].received, greeting);
    to_lanes_.clear();
    EXPECT_LT(SteadyMs() - begin_ms, 3'000);
  }
  double Refusals(const std::string& reason) const { return LinkRefusals(registry_, reason); }

  struct Passed {
    uint32_t lane;
    std::unique_ptr<StreamBytes> bytes;
    std::string received;
  };

  const TestSecret secret_;
  const TestCertificates certificates_;
  prometheus::Registry registry_;
  std::mutex mutex_;
  std::vector<int> to_grpc_;      // mutex_
  std::vector<Passed> to_lanes_;  // mutex_
  std::unique_ptr<LinkPort> port_;
  std::vector<int> sockets_;
};
INSTANTIATE_TEST_SUITE_P(Ways, LinkPortTest, testing::Bool(), [](const testing::TestParamInfo<bool>& tls) {
  return tls.param ? "Tls" : "Secret";
});

TEST_P(LinkPortTest, WhoBelongsHereIsPassedOnWithWhatHeSaid) {
  ExpectLetIn(0, "");
  ExpectLetIn(3, "greeting");
  ExpectLetIn(2, std::string(5'000, 'x'));
}

TEST_P(LinkPortTest, WhatIsGrpcsIsPassedOnUnread) {
  for (const std::string first : {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01"}) {
    Connect(first);
    int fd = -1;
    for (const int64_t end_ms = SteadyMs() + kPatienceMs; fd < 0 && SteadyMs() < end_ms;) {
      const std::lock_guard lock(mutex_);
      if (!to_grpc_.empty()) fd = to_grpc_.back();
    }
    ASSERT_GE(fd, 0);
    std::string read(first.size(), '\0');
    EXPECT_EQ(recv(fd, read.data(), read.size(), MSG_WAITALL), static_cast<ssize_t>(first.size()));
    EXPECT_EQ(read, first);
    const std::lock_guard lock(mutex_);
    close(fd);
    to_grpc_.clear();
  }
}

TEST_P(LinkPortTest, NonsenseIsClosedAtOnce) {
  std::string too_long = LinkMark(false);
  too_long.append("\x01\x10\x00\x00", 4);  // a byte more than an opening may have
  std::string huge = LinkMark(false);
  huge.append("\xff\xff\xff\xff", 4);
  std::string broken = LinkMark(false);
  broken.append("\x02\x00\x00\x00\x12\x7f", 6);
  const std::vector<std::string> all = {"GET / HTTP/1.1\r\n\r\n",
                                        std::string(20'000, '\xff'),
                                        "dormousX",
                                        "dormouseX",
                                        "d\x16",
                                        huge,
                                        too_long,
                                        broken};
  for (const std::string& nonsense : all) {
    const int64_t after_ms = AwaitClosed(Connect(nonsense));
    EXPECT_GE(after_ms, 0) << nonsense.substr(0, 20);
    EXPECT_LT(after_ms, 3'000) << nonsense.substr(0, 20);
  }
  if (with_tls()) {
    const double before = Refusals("handshake");
    const int64_t after_ms = AwaitClosed(Connect(LinkMark(true) + std::string(1'000, 'x')));
    EXPECT_GE(after_ms, 0);
    EXPECT_LT(after_ms, 3'000);
    EXPECT_EQ(Refusals("handshake"), before + 1);
  } else {
    EXPECT_GE(Refusals("silent"), static_cast<double>(all.size()));
  }
  ExpectLetIn(1, "x");
}

TEST_P(LinkPortTest, WhoDoesNotGoOnIsClosedAfterFiveSeconds) {
  const std::vector<std::string> beginnings = {"", "d", "dormouse", LinkMark(false).substr(0, 8),
                                               // A half of a greeting of TLS, and the half of an opening.
                                               LinkMark(true) + std::string("\x16\x03\x01\x01\x00\x01", 6),
                                               LinkMark(false) + std::string("\x20\x00\x00\x00\x08", 5)};
  std::vector<int> silent;
  for (const std::string& beginning : beginnings) {
    const bool is_refused_at_once = beginning.size() > kLinkMarkBytes && (beginning[8] == 'T') != with_tls();
    if (!is_refused_at_once) silent.push_back(Connect(beginning));
  }
  ExpectLetIn(1, "x");
  const int64_t begin_ms = SteadyMs();
  for (const int fd : silent) EXPECT_GE(AwaitClosed(fd), 0);
  EXPECT_GE(SteadyMs() - begin_ms, 3'000);
  EXPECT_LT(SteadyMs() - begin_ms, 8'000);
  EXPECT_EQ(Refusals("silent"), static_cast<double>(silent.size()));
}

TEST_P(LinkPortTest, OfManyTheOldestGoAndWhoBelongsHereIsLetIn) {
  std::vector<int> many;
  for (int i = 0; i < 3'000; ++i) {
    many.push_back(Connect(i % 2 == 0 ? "" : "dorm"));
    if (i % 500 == 499) ExpectLetIn(1, "x");
  }
  // Long before their time has come.
  EXPECT_LT(AwaitClosed(many[0]), 3'000);
  EXPECT_LT(AwaitClosed(many[1'500]), 3'000);
  EXPECT_GE(Refusals("silent"), 1'900);
}

TEST_P(LinkPortTest, WhoIsRefusedHearsWhy) {
  if (with_tls()) {
    std::string end(4'096, '\0');
    const int fd = Connect(LinkMark(false));
    const ssize_t got = recv(fd, end.data(), end.size(), MSG_WAITALL);
    ASSERT_GT(got, 8);
    EXPECT_EQ(ReadFrameHead(end), kEndMark);
    EXPECT_NE(end.find("--link-certificate"), std::string::npos);
    return;
  }
  link::StreamOpening opening;
  opening.set_authorization("Bearer no.such.token");
  std::string end(4'096, '\0');
  const int fd = Connect(LinkMark(false) + PrintOpening(opening) + "greeting");
  const ssize_t got = recv(fd, end.data(), end.size(), MSG_WAITALL);
  ASSERT_GT(got, 8);
  EXPECT_EQ(ReadFrameHead(end), kEndMark);
  EXPECT_NE(end.find("oken"), std::string::npos);
  EXPECT_EQ(Refusals("token"), 1);
}

}  // namespace
}  // namespace dormouse
