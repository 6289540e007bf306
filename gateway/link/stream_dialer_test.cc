// A gateway's way to a statekeeper's port, and who is let in there: both ends, over TCP.
#include "gateway/link/stream_dialer.h"

#include <ev.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/testing/test_trust.h"
#include "common/tls/tls_session.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using grpc::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

// A socket that listens and does not block; `*address`: where. Who connects is served by whoever accepts it.
int ListenOnLoopback(std::string* address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&name), size), 0);
  EXPECT_EQ(listen(listener, 1), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
  *address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  return listener;
}

class StreamDialerTest : public testing::Test, private StreamInbox::Owner {
 protected:
  StreamDialerTest() {
    ev_timer_init(
        &tick_, [](struct ev_loop*, ev_timer*, int) {}, 0, 0.01);
    ev_timer_again(loop_, &tick_);
  }
  ~StreamDialerTest() override {
    inbox_->Close();
    ev_timer_stop(loop_, &tick_);
    dialer_.reset();
    ev_loop_destroy(loop_);
  }

  // One lane.
  void Serve(const TestTrust& trust) {
    statekeeper_.reset();
    statekeeper_ = std::make_unique<TestStatekeeper>(
        TestStatekeeper::Setup{.addresses = {"127.0.0.1:0"}, .gate = trust.NewGate(&registry_)});
    ASSERT_TRUE(statekeeper_->Start());
  }
  // What comes of a stream to the lane that begins with a good greeting.
  grpc::Status Try(const std::string& host, const std::shared_ptr<const LinkCredentials>& credentials,
                   uint32_t lane = 0) {
    return TryAt(host + ":" + std::to_string(statekeeper_->server().port()), credentials, lane);
  }
  grpc::Status TryAt(const std::string& address, const std::shared_ptr<const LinkCredentials>& credentials,
                     uint32_t lane = 0) {
    dialer_ = std::make_unique<StreamDialer>(address, credentials);
    link::ToLane greeting;
    greeting.mutable_hello()->set_identity(TestIdentity(1));
    greeting.mutable_hello()->set_incarnation(1);
    greeting.mutable_hello()->set_lane(lane);
    greeted_ = false;
    closed_ = false;
    const auto stream = dialer_->Open(lane, ToBuffer(greeting), false, SteadyMs(), inbox_);
    for (const int64_t end_ms = SteadyMs() + 20'000; !greeted_ && !closed_ && SteadyMs() < end_ms;) {
      ev_run(loop_, EVRUN_ONCE);
    }
    const grpc::Status status = greeted_ ? grpc::Status::OK : stream->status();
    if (!closed_) stream->Abort();
    return status;
  }
  double Refusals(const std::string& reason) const { return LinkRefusals(registry_, reason); }

  // The client may know of it first.
  void AwaitFailedHandshakes(double count) const {
    for (const int64_t end_ms = SteadyMs() + 20'000; Refusals("handshake") < count && SteadyMs() < end_ms;) {
      std::this_thread::yield();
    }
    EXPECT_EQ(Refusals("handshake"), count);
  }

  prometheus::Registry registry_;
  std::unique_ptr<TestStatekeeper> statekeeper_;

 private:
  void OnArrival(Arrival& arrival) override {
    if (arrival.kind == Arrival::kClosed) closed_ = true;
    if (arrival.kind != Arrival::kMessage) return;
    link::ToGateway message;
    greeted_ |= FromBuffer(arrival.message, &message) && message.has_hello();
  }
  void OnArrivalsEnd() override {}

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  ev_timer tick_;
  const std::shared_ptr<StreamInbox> inbox_{new StreamInbox(loop_, 1u << 20, this)};
  std::unique_ptr<StreamDialer> dialer_;
  bool greeted_ = false;
  bool closed_ = false;
};

TEST_F(StreamDialerTest, FindsTheLaneByAddressAndByName) {
  const TestSecret secret;
  const TestCertificates certificates;
  for (const TestTrust* trust : std::vector<const TestTrust*>{&secret, &certificates}) {
    Serve(*trust);
    for (const LinkRole role : {LinkRole::kGateway, LinkRole::kStatekeeper}) {
      EXPECT_TRUE(Try("127.0.0.1", trust->Of(role)).ok());
      EXPECT_TRUE(Try("localhost", trust->Of(role)).ok());  // also where that is ::1 first
    }
    EXPECT_EQ(Try("127.0.0.1", trust->Of(LinkRole::kGateway), 7).error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(StreamDialerTest, SaysWhyItCannotBe) {
  const TestSecret secret;
  const auto gateway = secret.Of(LinkRole::kGateway);
  Serve(secret);
  EXPECT_THAT(TryAt("127.0.0.1:1", gateway).error_message(), HasSubstr("refused"));
  EXPECT_THAT(TryAt("no-such-host.invalid:7400", gateway).error_message(), HasSubstr("cannot be looked up"));
}

TEST_F(StreamDialerTest, WithoutTheSecretNobodyIsLetIn) {
  const TestSecret secret;
  Serve(secret);
  const grpc::Status none = Try("127.0.0.1", nullptr);
  EXPECT_EQ(none.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(none.error_message(), HasSubstr("--cluster-secret FILE"));
  EXPECT_EQ(Refusals("no_token"), 1);
  const grpc::Status other = Try("127.0.0.1", TestSecret('o').Of(LinkRole::kGateway));
  EXPECT_EQ(other.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(other.error_message(), HasSubstr("not made with the secret"));
  EXPECT_EQ(Refusals("token"), 1);
  const grpc::Status role = Try("127.0.0.1", secret.Of(LinkRole::kOperator));
  EXPECT_EQ(role.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Refusals("role"), 1);
  EXPECT_TRUE(Try("127.0.0.1", secret.Of(LinkRole::kGateway)).ok());
}

TEST_F(StreamDialerTest, WithoutATrustedCertificateNobodyIsLetIn) {
  const TestCertificates trust;
  Serve(trust);
  const grpc::Status role = Try("127.0.0.1", trust.Of(LinkRole::kOperator));
  EXPECT_EQ(role.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(role.error_message(), HasSubstr("no such subject alternative name"));
  EXPECT_EQ(Refusals("role"), 1);

  // Somebody else's, who for his part would trust this statekeeper.
  const TestCertificates other;
  other.files().Write("ca.pem", trust.authority_pem() + other.authority_pem());
  const grpc::Status foreign = Try("127.0.0.1", other.Of(LinkRole::kGateway));
  EXPECT_EQ(foreign.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(foreign.error_message(),
              AnyOf(HasSubstr("unknown ca"), HasSubstr("certificate"), HasSubstr("gone")));
  AwaitFailedHandshakes(1);
  // One who does not trust it.
  const grpc::Status distrusts = Try("127.0.0.1", TestCertificates().Of(LinkRole::kGateway));
  EXPECT_EQ(distrusts.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(distrusts.error_message(), HasSubstr("its certificate is refused"));
  AwaitFailedHandshakes(2);

  // Without TLS, and with it where there are no certificates.
  const grpc::Status plain = Try("127.0.0.1", TestSecret().Of(LinkRole::kGateway));
  EXPECT_EQ(plain.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(plain.error_message(), HasSubstr("--link-certificate"));
  EXPECT_TRUE(Try("127.0.0.1", trust.Of(LinkRole::kGateway)).ok());
  Serve(TestSecret());
  const grpc::Status tls = Try("127.0.0.1", trust.Of(LinkRole::kGateway));
  EXPECT_EQ(tls.error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(StreamDialerTest, WhoeverAnswersMustBeAStatekeeper) {
  const TestCertificates trust;
  trust.Renew(LinkRole::kStatekeeper, {"dormouse-statekeeper", "dormouse-gateway"});
  Serve(trust);
  trust.Renew(LinkRole::kStatekeeper);
  EXPECT_TRUE(Try("127.0.0.1", trust.Of(LinkRole::kGateway)).ok());
  // LinkCredentials would not read it: so it comes by way of a gateway's files, where the role is not looked at.
  const TestCertificates rogue;
  rogue.files().Write("ca.pem", rogue.authority_pem());
  std::string wrong;
  const auto context = rogue.Of(LinkRole::kGateway)->OfStreams(TlsContext::Role::kServer, &wrong);
  ASSERT_NE(context, nullptr);
  std::string address;
  const int listener = ListenOnLoopback(&address);
  std::thread server([&] {
    const int fd = [&] {
      for (;;) {
        const int got = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (got >= 0) return got;
        std::this_thread::yield();
      }
    }();
    char mark[9];
    EXPECT_EQ(recv(fd, mark, sizeof(mark), MSG_WAITALL), 9);
    TlsSession session(*context, fd);
    while (session.Handshake() == TlsSession::State::kWantsRead) std::this_thread::yield();
    close(fd);
  });
  const grpc::Status status = TryAt(address, rogue.Of(LinkRole::kGateway));
  server.join();
  close(listener);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("ostname mismatch"));
}

TEST_F(StreamDialerTest, ASilentServerIsGivenUpAfterFiveSeconds) {
  const TestCertificates trust;
  std::string address;
  const int listener = ListenOnLoopback(&address);
  const grpc::Status status = TryAt(address, trust.Of(LinkRole::kGateway));
  close(listener);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("does not answer"));
}

TEST_F(StreamDialerTest, NewConnectionsComeWithTheCertificateThatIsThere) {
  const TestCertificates trust;
  Serve(trust);
  const auto gateway = trust.Of(LinkRole::kGateway);
  EXPECT_TRUE(Try("127.0.0.1", gateway).ok());
  // A new authority for both: what is of the old one is refused from now on.
  const TestCertificates renewed;
  for (const std::string file : {"dormouse-gateway", "dormouse-statekeeper"}) {
    for (const std::string end : {".key", ".pem"}) {
      std::ifstream in(renewed.files().Path(file + end));
      trust.files().Write(file + end, std::string(std::istreambuf_iterator<char>(in), {}));
    }
  }
  trust.files().Write("ca.pem", renewed.authority_pem());
  bool is_renewed = false;
  for (const int64_t end_ms = SteadyMs() + 20'000; !is_renewed && SteadyMs() < end_ms;) {
    is_renewed = Try("127.0.0.1", renewed.Of(LinkRole::kGateway)).ok() && Try("127.0.0.1", gateway).ok();
  }
  EXPECT_TRUE(is_renewed);
}

}  // namespace
}  // namespace dormouse
