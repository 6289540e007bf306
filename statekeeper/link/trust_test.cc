// Strangers at a statekeeper's port: who is refused, how, and that nobody else notices.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/testing/test_trust.h"
#include "statekeeper/link/link_server.h"

namespace dormouse {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

const char kLink[] = "/dormouse.link.Edge/Link";
const char kWatch[] = "/dormouse.link.Edge/WatchShards";
const char kLive[] = "/dormouse.peer.Peer/Live";
const char kOffer[] = "/dormouse.peer.Peer/Offer";
const char kEvict[] = "/dormouse.admin.Admin/Evict";

constexpr auto kPatience = std::chrono::seconds(20);

class TrustTest : public testing::Test {
 protected:
  // A server whose lanes nobody has: whoever comes past the gate is told UNAVAILABLE (WatchShards; it has no
  // map), INVALID_ARGUMENT (Link, for what it was told first) or UNIMPLEMENTED (the others' services are not
  // there).
  void Serve(const TestTrust& trust, const std::string& admin_key = "") {
    server_ = NewLinkServer(
        {.addresses = {"127.0.0.1:0"}, .gate = trust.NewGate(&registry_, admin_key), .incarnation = 1});
    std::string error;
    ASSERT_TRUE(server_->Start(&error)) << error;
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  // What such a call comes to.
  static grpc::Status Call(const LinkChannel& channel, const std::string& method,
                           const std::string& authorization = "") {
    grpc::ClientContext context;
    channel.Authorize(&context);
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    return Call(channel.grpc(), &context, method);
  }
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                           const std::string& method) {
    grpc::GenericStub stub(channel);
    context->set_deadline(std::chrono::system_clock::now() + kPatience);
    grpc::CompletionQueue queue;
    const auto next = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      return ok;
    };
    const auto call = stub.PrepareCall(context, method, &queue);
    call->StartCall(&queue);
    next();
    const grpc::Slice text(std::string("no message of ours"));
    call->Write(grpc::ByteBuffer(&text, 1), grpc::WriteOptions().set_last_message(), &queue);
    next();
    grpc::Status status;
    call->Finish(&status, &queue);
    next();
    return status;
  }
  grpc::Status Call(const std::shared_ptr<const LinkCredentials>& credentials,
                    const std::string& method) const {
    return Call(LinkChannel(address(), credentials), method);
  }
  static bool IsPast(const grpc::Status& status) {
    return status.error_code() == StatusCode::INVALID_ARGUMENT ||
           status.error_code() == StatusCode::UNIMPLEMENTED ||
           (status.error_code() == StatusCode::UNAVAILABLE &&
            status.error_message().find("shard map") != std::string::npos);
  }
  double Refusals(const std::string& reason) const { return LinkRefusals(registry_, reason); }
  int Connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(server_->port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }

  KeyDirectory files_;
  prometheus::Registry registry_;
  std::unique_ptr<LinkServer> server_;
};

const std::vector<std::string> kMethods = {kLink, kWatch, kLive, kOffer, kEvict};
// Who gets past the gate, by role.
const std::map<LinkRole, std::vector<std::string>> kAllowed = {
    {LinkRole::kGateway, {kLink, kWatch}},
    {LinkRole::kStatekeeper, kMethods},
    {LinkRole::kOperator, {kEvict}},
};

TEST_F(TrustTest, ARoleIsLetInWhereItHasToBe) {
  const TestSecret secret;
  const TestCertificates certificates;
  for (const TestTrust* trust : std::vector<const TestTrust*>{&secret, &certificates}) {
    Serve(*trust);
    for (const auto& [role, allowed] : kAllowed) {
      for (const std::string& method : kMethods) {
        const double before = Refusals("role");
        const grpc::Status status = Call(trust->Of(role), method);
        if (std::ranges::count(allowed, method) > 0) {
          EXPECT_TRUE(IsPast(status)) << NameOf(role) << method << status.error_message();
        } else {
          EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED) << NameOf(role) << method;
          EXPECT_EQ(Refusals("role"), before + 1);
        }
      }
      EXPECT_EQ(Call(trust->Of(role), "/dormouse.link.Other/Link").error_code(),
                StatusCode::PERMISSION_DENIED);
    }
  }
}

TEST_F(TrustTest, NobodyIsLetInWithoutAToken) {
  const TestSecret secret;
  Serve(secret);
  const LinkChannel stranger(address());
  for (const std::string& method : kMethods) {
    const double before = Refusals("no_token");
    const grpc::Status status = Call(stranger, method);
    EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED) << method;
    EXPECT_THAT(status.error_message(),
                HasSubstr(method == kEvict ? "--admin-key" : "--cluster-secret FILE"));
    EXPECT_EQ(Refusals("no_token"), before + 1);
  }
}

TEST_F(TrustTest, NobodyIsLetInWithABadToken) {
  const TestSecret secret;
  const TestSecret other('o');
  Serve(secret);
  const LinkChannel stranger(address());
  const auto token = [](const TestSecret& from, int64_t age_ms) {
    return "Bearer " +
           from.Of(LinkRole::kGateway)->secret()->NewToken(NameOf(LinkRole::kGateway), WallMs() - age_ms);
  };
  EXPECT_TRUE(IsPast(Call(stranger, kLink, token(secret, 0))));
  const std::map<std::string, std::string> bad = {
      {token(secret, 61'000), "expired"},  // replayed after its minute
      {token(secret, -3'600'000), "future"},
      {token(other, 0), "not made with the secret of cluster-secret"},
      {token(secret, 0) + "x", "secret"},
      {token(secret, 0).substr(7), "--cluster-secret"},
      {"Bearer ", "JSON Web Token"},
      {"Basic c3M6c3M=", "--cluster-secret"},
      {"Bearer " + std::string(32, 's'), "JSON Web Token"},
  };
  for (const auto& [authorization, why] : bad) {
    const double before = Refusals("token");
    const grpc::Status status = Call(stranger, kLink, authorization);
    EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED) << authorization;
    EXPECT_THAT(status.error_message(), HasSubstr(why));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("ssss")));
    EXPECT_EQ(Refusals("token"), before + 1);
  }
}

TEST_F(TrustTest, TheAdminKeyMakesOperatorsAndNothingElse) {
  const TestSecret secret;
  const std::string key = files_.Write("key", std::string(32, 'k'));
  Serve(secret, key);
  const LinkChannel stranger(address());
  std::string wrong;
  const auto admin_key = SharedSecret::Read("key", key, &wrong);
  for (const LinkRole role : {LinkRole::kOperator, LinkRole::kStatekeeper, LinkRole::kGateway}) {
    const std::string authorization = "Bearer " + admin_key->NewToken(NameOf(role), WallMs());
    for (const std::string& method : kMethods) {
      const grpc::Status status = Call(stranger, method, authorization);
      EXPECT_EQ(IsPast(status), method == kEvict && role == LinkRole::kOperator) << NameOf(role) << method;
    }
  }
}

TEST_F(TrustTest, ATokenIsMadeForEachCall) {
  TestSecret secret;
  Serve(secret);
  const LinkChannel channel(address(), secret.Of(LinkRole::kGateway));
  EXPECT_TRUE(IsPast(Call(channel, kLink)));
  // Of a new secret as soon as it is there, on both sides.
  secret.files().Write("secret", std::string(32, 'n'));
  const TestSecret renewed('n');
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto have_both_read_it = [&] {
    return IsPast(Call(renewed.Of(LinkRole::kGateway), kLink)) && IsPast(Call(channel, kLink));
  };
  while (!have_both_read_it()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(Call(TestSecret().Of(LinkRole::kGateway), kLink).error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(TrustTest, AStreamThatIsRefusedIsNeverRead) {
  const TestSecret secret;
  Serve(secret);
  const LinkChannel stranger(address());
  // A unary call's whole message is read before the call is handed on; not a stranger's.
  grpc::GenericStub stub(stranger.grpc());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  const auto call = stub.PrepareCall(&context, kOffer, &queue);
  call->StartCall(&queue);
  next();
  const grpc::Slice text(std::string(48u << 20, 'x'));
  call->Write(grpc::ByteBuffer(&text, 1), &queue);
  EXPECT_FALSE(next());  // it did not get through
  grpc::Status status;
  call->Finish(&status, &queue);
  next();
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(TrustTest, WithoutATrustedCertificateThereIsNoConnection) {
  const TestCertificates trust;
  const TestCertificates other;
  Serve(trust);
  std::atomic<int> failed{0};
  const GrpcLog log([&failed] { ++failed; });
  const auto refused = [](const grpc::Status& status) {
    return status.error_code() == StatusCode::UNAVAILABLE && !IsPast(status);
  };
  // Their own authority would take them; that of the statekeeper does not. And the other way round.
  other.files().Write("ca.pem", trust.authority_pem() + other.authority_pem());
  EXPECT_TRUE(refused(Call(other.Of(LinkRole::kGateway), kLink)));
  EXPECT_GE(failed.load(), 1);
  EXPECT_TRUE(refused(Call(LinkChannel(address()), kLink)));  // in plain text
  EXPECT_TRUE(refused(Call(TestSecret().Of(LinkRole::kStatekeeper), kLink)));
  // Without any certificate.
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("dormouse-statekeeper");
  const auto bare =
      grpc::CreateCustomChannel(address(), grpc::SslCredentials({trust.authority_pem(), "", ""}), arguments);
  grpc::ClientContext context;
  EXPECT_TRUE(refused(Call(bare, &context, kLink)));
  EXPECT_TRUE(IsPast(Call(trust.Of(LinkRole::kGateway), kLink)));
}

TEST_F(TrustTest, AServerMustHaveTheNameOfAStatekeeper) {
  const TestCertificates trust;
  // Whoever has a gateway's certificate cannot play statekeeper.
  const auto made = trust.Certify({"dormouse-gateway", "localhost"});
  grpc::SslServerCredentialsOptions options;
  options.pem_root_certs = trust.authority_pem();
  options.pem_key_cert_pairs = {{made.key, made.certificate}};
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  const auto queue = builder.AddCompletionQueue();
  const auto rogue = builder.BuildAndStart();
  const grpc::Status status =
      Call(LinkChannel("127.0.0.1:" + std::to_string(port), trust.Of(LinkRole::kGateway)), kLink);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("dormouse-statekeeper"));
  rogue->Shutdown();
  queue->Shutdown();
  void* tag = nullptr;
  for (bool ok = false; queue->Next(&tag, &ok);) {
  }
}

// The serial number of the certificate that the server shows a new connection.
std::string ShownCertificate(const std::string& address) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  BIO* const connection = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(connection, address.c_str());
  std::string serial;
  SSL* ssl = nullptr;
  BIO_get_ssl(connection, &ssl);
  BIO_do_connect(connection);
  BIO_do_handshake(connection);
  if (X509* const shown = SSL_get1_peer_certificate(ssl)) {
    const ASN1_INTEGER* const number = X509_get0_serialNumber(shown);
    serial.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(number)),
                  static_cast<size_t>(ASN1_STRING_length(number)));
    X509_free(shown);
  }
  BIO_free_all(connection);
  SSL_CTX_free(context);
  return serial;
}

TEST_F(TrustTest, CertificatesAreReadAnewWhenTheyChange) {
  const TestCertificates trust;
  Serve(trust);
  const auto gateway = trust.Of(LinkRole::kGateway);
  const LinkChannel before(address(), gateway);
  EXPECT_TRUE(IsPast(Call(before, kLink)));
  const std::string first = ShownCertificate(address());
  ASSERT_NE(first, "");

  // A key that does not belong to the certificate leaves the old pair in force.
  trust.files().Write("dormouse-statekeeper.key", trust.Certify({"x"}).key);
  const auto await = [&](const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return condition();
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // it is looked at once a second
  EXPECT_EQ(ShownCertificate(address()), first);

  trust.Renew(LinkRole::kStatekeeper);
  EXPECT_TRUE(await([&] { return ShownCertificate(address()) != first; }));
  EXPECT_TRUE(IsPast(Call(before, kLink)));  // on its open connection

  // A new certificate of the gateway's, too, and a new authority on both sides: the old one is gone.
  const TestCertificates renewed;
  for (const std::string file : {"dormouse-gateway", "dormouse-statekeeper"}) {
    for (const std::string end : {".key", ".pem"}) {
      std::ifstream in(renewed.files().Path(file + end));
      trust.files().Write(file + end, std::string(std::istreambuf_iterator<char>(in), {}));
    }
  }
  trust.files().Write("ca.pem", renewed.authority_pem());
  EXPECT_TRUE(await([&] { return IsPast(Call(gateway, kLink)); }));
  EXPECT_TRUE(IsPast(Call(renewed.Of(LinkRole::kGateway), kLink)));
  server_.reset();
}

TEST_F(TrustTest, CertificatesThatCannotBeUsedAreExplained) {
  const TestCertificates trust;
  const auto why = [&trust](LinkRole role) {
    std::string wrong;
    EXPECT_EQ(LinkCredentials::Read(trust.FilesOf(role), role, &wrong), nullptr);
    return wrong;
  };
  trust.Renew(LinkRole::kGateway, {"dormouse-operator"});
  EXPECT_THAT(why(LinkRole::kGateway), HasSubstr("lacks the name dormouse-gateway"));
  trust.Renew(LinkRole::kGateway);
  trust.files().Write("dormouse-gateway.key", trust.Certify({"x"}).key);
  EXPECT_THAT(why(LinkRole::kGateway), HasSubstr("does not belong to the certificate in"));
  trust.files().Write("dormouse-gateway.key", "nonsense");
  EXPECT_THAT(why(LinkRole::kGateway), HasSubstr("holds no private key in PEM"));
  trust.Renew(LinkRole::kGateway);
  trust.files().Write("ca.pem", TestCertificates().authority_pem());
  EXPECT_THAT(why(LinkRole::kGateway), HasSubstr("is not trusted with the authorities in"));
  trust.files().Write("ca.pem", "");
  EXPECT_THAT(why(LinkRole::kGateway), HasSubstr("holds no certificate in PEM"));
}

TEST_F(TrustTest, APortWithoutCredentialsIsNotServed) {
  std::string error;
  EXPECT_FALSE(NewLinkServer({.addresses = {"127.0.0.1:0"}, .incarnation = 1})->Start(&error));
  EXPECT_THAT(error, HasSubstr("openssl rand -hex 32 > FILE; chmod 600 FILE"));
}

TEST_F(TrustTest, SilentAndSenselessConnectionsDelayNobody) {
  const TestSecret secret;
  const TestCertificates certificates;
  for (const TestTrust* trust : std::vector<const TestTrust*>{&secret, &certificates}) {
    Serve(*trust);
    std::vector<int> strangers;
    for (int i = 0; i < 500; ++i) {
      strangers.push_back(Connect());
      const std::string garbage = i % 3 == 0   ? ""
                                  : i % 3 == 1 ? "GET / HTTP/1.0\r\n\r\n"
                                               : std::string(20'000, '\xff');
      if (!garbage.empty())
        send(strangers.back(), garbage.data(), garbage.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    for (int i = 0; i < 5; ++i) {
      const int64_t begin = SteadyMs();
      EXPECT_TRUE(IsPast(Call(trust->Of(LinkRole::kGateway), kLink)));
      EXPECT_LT(SteadyMs() - begin, 3'000);
    }
    // The silent ones are closed in the end.
    pollfd silent{strangers[0], POLLIN, 0};
    EXPECT_EQ(poll(&silent, 1, 40'000), 1);
    for (const int fd : strangers) close(fd);
  }
}

}  // namespace
}  // namespace dormouse
