#include "common/tls/tls_session.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "common/auth/testing/certificates.h"

namespace dormouse {
namespace {

using State = TlsSession::State;
using Role = TlsContext::Role;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class TlsSessionTest : public ::testing::Test {
 protected:
  TlsSessionTest() { Connect(); }
  ~TlsSessionTest() override { Disconnect(); }

  void Connect() {
    Disconnect();
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0);
  }
  void Disconnect() {
    for (int& fd : fds_) {
      if (fd >= 0) close(fd);
      fd = -1;
    }
  }

  TlsContext::Pem PemOf(const CertificateFiles& files, const TestAuthority& authority) const {
    return {TextOf(files.certificate), TextOf(files.key), TextOf(authority.file())};
  }
  std::shared_ptr<const TlsContext> Context(TlsContext::Settings settings, const TlsContext::Pem& pem) const {
    TlsContext::Complaint complaint;
    auto context = TlsContext::New(settings, pem, &complaint);
    EXPECT_NE(context, nullptr) << complaint.what;
    return context;
  }
  // That of a server for localhost.
  std::shared_ptr<const TlsContext> Server(TlsContext::Settings settings = {}) {
    return Context(settings, PemOf(authority_.Certify("server", "DNS:localhost,IP:127.0.0.1"), authority_));
  }
  std::shared_ptr<const TlsContext> Client(TlsContext::Settings settings = {.verifies_peer = true}) {
    settings.role = Role::kClient;
    return Context(settings, {.certificate = "", .key = "", .ca = TextOf(authority_.file())});
  }

  void Begin(const TlsContext& server, const TlsContext& client, const std::string& host = "localhost") {
    server_ = std::make_unique<TlsSession>(server, fds_[0]);
    client_ = std::make_unique<TlsSession>(client, fds_[1], host);
  }
  // Both ends by turns until nothing moves any more.
  std::pair<State, State> Shake() {
    State server = State::kWantsRead;
    State client = State::kWantsRead;
    for (int i = 0; i < 10; ++i) {
      if (client == State::kWantsRead || client == State::kWantsWrite) client = client_->Handshake();
      if (server == State::kWantsRead || server == State::kWantsWrite) server = server_->Handshake();
    }
    return {server, client};
  }
  void ShakeWell() {
    const auto [server, client] = Shake();
    ASSERT_EQ(server, State::kDone) << server_->error();
    ASSERT_EQ(client, State::kDone) << client_->error();
  }
  std::string ReadAll(TlsSession* session) {
    std::string all(1 << 16, '\0');
    const TlsSession::Result result = session->Read(all.data(), all.size());
    state_ = result.state;
    all.resize(result.size);
    return all;
  }

  TestAuthority authority_;
  int fds_[2] = {-1, -1};
  std::unique_ptr<TlsSession> server_;
  std::unique_ptr<TlsSession> client_;
  State state_ = State::kDone;  // of what was read last
};

TEST_F(TlsSessionTest, CarriesBytesBothWays) {
  Begin(*Server(), *Client());
  ShakeWell();
  EXPECT_EQ(client_->Write("hello").size, 5u);
  EXPECT_EQ(ReadAll(server_.get()), "hello");
  EXPECT_EQ(state_, State::kWantsRead);
  EXPECT_EQ(server_->Write("and back").state, State::kDone);
  EXPECT_EQ(ReadAll(client_.get()), "and back");
  EXPECT_FALSE(server_->has_more());
}

TEST_F(TlsSessionTest, AHelloMayComeByteByByteAndInPartBeforeTheSession) {
  const auto server = Server();
  const auto client = Client();
  int through[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, through), 0);
  client_ = std::make_unique<TlsSession>(*client, through[0], "localhost");
  ASSERT_EQ(client_->Handshake(), State::kWantsRead);
  std::string hello(10'000, '\0');
  hello.resize(static_cast<size_t>(recv(through[1], hello.data(), hello.size(), 0)));
  server_ = std::make_unique<TlsSession>(*server, fds_[0]);
  server_->Feed(hello.substr(0, 7));
  State state = server_->Handshake();
  for (size_t i = 7; i < hello.size(); ++i) {
    ASSERT_EQ(state, State::kWantsRead) << i;
    ASSERT_EQ(send(fds_[1], hello.data() + i, 1, 0), 1);
    state = server_->Handshake();
  }
  std::string flight(10'000, '\0');
  const ssize_t size = recv(fds_[1], flight.data(), flight.size(), 0);
  ASSERT_GT(size, 0);
  ASSERT_EQ(send(through[1], flight.data(), static_cast<size_t>(size), 0), size);
  EXPECT_EQ(client_->Handshake(), State::kDone) << client_->error();
  close(through[0]);
  close(through[1]);
}

TEST_F(TlsSessionTest, WhatTheSocketDoesNotTakeIsKeptAndNothingElseIsTakenUntilItIsOnItsWay) {
  Begin(*Server(), *Client());
  ShakeWell();
  const std::string sent(4 << 20, 'x');
  size_t written = 0;
  std::string got;
  bool was_full = false;
  while (got.size() < sent.size()) {
    const auto result = server_->Write(std::string_view(sent).substr(written));
    ASSERT_NE(result.state, State::kFailed) << server_->error();
    written += result.size;
    if (result.state == State::kWantsWrite) {
      was_full = true;
      EXPECT_LE(server_->unsent(), TlsSession::kMaxRecord + 64);
      EXPECT_EQ(server_->Write("in between").size, 0u);
    }
    got += ReadAll(client_.get());
  }
  EXPECT_TRUE(was_full);
  EXPECT_EQ(got, sent);
  EXPECT_EQ(server_->unsent(), 0u);
}

TEST_F(TlsSessionTest, ReadsNoMoreThanThereIsRoomForAndSaysThatMoreIsThere) {
  Begin(*Server(), *Client());
  ShakeWell();
  client_->Write("first");
  client_->Write("second");
  char buffer[4];
  EXPECT_EQ(server_->Read(buffer, 4).state, State::kDone);
  EXPECT_TRUE(server_->has_more());
  EXPECT_EQ(ReadAll(server_.get()), "tsecond");
  EXPECT_EQ(state_, State::kWantsRead);
  EXPECT_FALSE(server_->has_more());
}

TEST_F(TlsSessionTest, AnEndComesAfterWhatWasSaidAndTheOtherHalfStaysOpen) {
  Begin(*Server(), *Client());
  ShakeWell();
  client_->Write("last words");
  EXPECT_EQ(client_->Shutdown(), State::kDone);
  EXPECT_EQ(ReadAll(server_.get()), "last words");
  EXPECT_EQ(state_, State::kEnded);
  EXPECT_EQ(server_->Write("answer").state, State::kDone);
  EXPECT_EQ(ReadAll(client_.get()), "answer");
}

TEST_F(TlsSessionTest, AnEndOfTheSocketIsAnEndAndAfterItWritesFail) {
  Begin(*Server(), *Client());
  ShakeWell();
  client_->Write("last words");
  close(std::exchange(fds_[1], -1));
  EXPECT_EQ(ReadAll(server_.get()), "last words");
  EXPECT_EQ(state_, State::kWantsRead);  // the socket is readable, still
  EXPECT_EQ(ReadAll(server_.get()), "");
  EXPECT_EQ(state_, State::kEnded);
  EXPECT_EQ(server_->Write("answer").state, State::kFailed);
  EXPECT_NE(server_->error().find("ipe"), std::string::npos) << server_->error();
}

TEST_F(TlsSessionTest, AServerIsBelievedForItsOwnHostAlone) {
  const auto server = Server();
  for (const auto& [host, is_good] :
       {std::pair("localhost", true), std::pair("127.0.0.1", true), std::pair("", true),
        std::pair("example.com", false), std::pair("127.0.0.2", false)}) {
    Connect();
    Begin(*server, *Client(), host);
    EXPECT_EQ(Shake().second, is_good ? State::kDone : State::kFailed) << host;
    if (!is_good) {
      EXPECT_NE(client_->error().find("mismatch"), std::string::npos) << client_->error();
      EXPECT_FALSE(server_->error().empty());
    }
  }
}

TEST_F(TlsSessionTest, AClientShowsACertificateWhereOneIsDemanded) {
  const auto server = Server({.verifies_peer = true});
  const auto try_with = [&](const TlsContext::Pem& pem) {
    Connect();
    Begin(*server, *Context({.role = Role::kClient, .verifies_peer = true}, pem));
    Shake();
    ReadAll(client_.get());  // in TLS 1.3 a client learns afterwards
    return server_->error();
  };
  TestAuthority other;
  TlsContext::Pem pem = PemOf(authority_.Certify("client", "DNS:dormouse-gateway"), authority_);
  EXPECT_EQ(try_with(pem), "");
  EXPECT_TRUE(server_->PeerCarries("dormouse-gateway"));
  EXPECT_FALSE(server_->PeerCarries("dormouse-statekeeper"));

  EXPECT_NE(try_with({"", "", pem.ca}).find("did not return a certificate"), std::string::npos)
      << server_->error();
  EXPECT_NE(client_->error().find("certificate required"), std::string::npos) << client_->error();

  TlsContext::Pem strange = PemOf(other.Certify("client", "DNS:dormouse-gateway"), other);
  strange.ca = pem.ca;
  EXPECT_NE(try_with(strange).find("its certificate is refused"), std::string::npos) << server_->error();
  EXPECT_FALSE(server_->PeerCarries("dormouse-gateway"));
}

TEST_F(TlsSessionTest, WhoOffersOtherProtocolsAloneIsRefused) {
  const auto server = Server({.protocol = "http/1.1"});
  for (const auto& [offer, is_good] :
       {std::pair("http/1.1", true), std::pair("", true), std::pair("h2", false)}) {
    Connect();
    Begin(*server, *Client({.verifies_peer = true, .protocol = offer}));
    EXPECT_EQ(Shake().second, is_good ? State::kDone : State::kFailed) << offer;
    if (is_good) continue;
    EXPECT_NE(client_->error().find("no application protocol"), std::string::npos) << client_->error();
  }
}

TEST_F(TlsSessionTest, GarbageFailsAtOnceAndIsToldOf) {
  const auto server = Server();
  server_ = std::make_unique<TlsSession>(*server, fds_[0]);
  ASSERT_EQ(send(fds_[1], "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
  EXPECT_EQ(server_->Handshake(), State::kFailed);
  EXPECT_EQ(server_->error(), "http request");
}

// The client's session of the connection before, for the next.
class TicketsTest : public TlsSessionTest {
 protected:
  bool IsResumedBy(const TlsContext& second, const TlsContext& first, int version) {
    TlsContext::Complaint complaint;
    const auto client = Client();
    SSL_CTX_set_session_cache_mode(client->get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_max_proto_version(client->get(), version);
    Connect();
    Begin(first, *client);
    ShakeWell();
    EXPECT_FALSE(server_->resumed());
    ReadAll(client_.get());
    SSL_SESSION* session = SSL_get1_session(const_cast<SSL*>(client_->ssl()));
    client_->Shutdown();  // or the client would forget it
    Connect();
    Begin(second, *client);
    SSL_set_session(const_cast<SSL*>(client_->ssl()), session);
    SSL_SESSION_free(session);
    ShakeWell();
    return server_->resumed();
  }
};

TEST_F(TicketsTest, AreTakenByWhoHasTheSecretInTls13AndByTheirProcessInTls12) {
  const auto secret = [] { return std::string(32, 's'); };
  const auto here = std::make_shared<const TlsTickets>(secret);
  const auto there = std::make_shared<const TlsTickets>(secret);
  const auto one = Server({.tickets = here});
  EXPECT_TRUE(IsResumedBy(*one, *one, TLS1_3_VERSION));
  EXPECT_TRUE(IsResumedBy(*one, *one, TLS1_2_VERSION));
  const auto renewed = Server({.tickets = here});  // of a new certificate
  EXPECT_TRUE(IsResumedBy(*renewed, *one, TLS1_3_VERSION));
  const auto other = Server({.tickets = there});
  EXPECT_TRUE(IsResumedBy(*other, *one, TLS1_3_VERSION));
  EXPECT_FALSE(IsResumedBy(*other, *one, TLS1_2_VERSION));
}

TEST_F(TicketsTest, AreNotGivenWithoutKeys) {
  const auto server = Server();
  EXPECT_FALSE(IsResumedBy(*server, *server, TLS1_3_VERSION));
  EXPECT_FALSE(IsResumedBy(*server, *server, TLS1_2_VERSION));
}

TEST_F(TlsSessionTest, WhoHasUsAnswerAndReadsNothingIsGivenUp) {
  Begin(*Server(), *Client());
  ShakeWell();
  State state = State::kWantsRead;
  for (int i = 0; i < 100'000 && state == State::kWantsRead; ++i) {
    SSL* const client = const_cast<SSL*>(client_->ssl());
    ASSERT_EQ(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(client), 1);
    char byte;
    state = server_->Read(&byte, 1).state;
    server_->Write("x");  // which takes the answer along
  }
  EXPECT_EQ(state, State::kFailed);
  EXPECT_LE(server_->unsent(), 65'536u);
}

}  // namespace
}  // namespace dormouse
