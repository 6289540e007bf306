#include "common/rpc/framed_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "common/rpc/testing/test_trust.h"
#include "common/rpc/tls_bytes.h"

namespace dormouse {
namespace {

using Kinds = std::vector<Arrival::Kind>;

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  grpc::ByteBuffer copy = buffer;
  grpc::Slice slice;
  return copy.DumpToSingleSlice(&slice).ok()
             ? std::string(reinterpret_cast<const char*>(slice.begin()), slice.size())
             : "";
}

// One end: an inbox, and what came of it.
class Side final : public StreamInbox::Owner {
 public:
  explicit Side(struct ev_loop* loop) : inbox(std::make_shared<StreamInbox>(loop, 1000, this)) {}
  ~Side() override { inbox->Close(); }

  void OnArrival(Arrival& arrival) override {
    kinds.push_back(arrival.kind);
    stream = arrival.stream;
    const bool is_message = arrival.kind == Arrival::kOpened || arrival.kind == Arrival::kMessage;
    if (is_message) texts.push_back(Text(arrival.message));
    if (on_arrival) on_arrival();
  }
  void OnArrivalsEnd() override { ++turns; }

  std::shared_ptr<StreamInbox> inbox;
  Kinds kinds;
  std::vector<std::string> texts;
  std::shared_ptr<LinkStream> stream;
  std::function<void()> on_arrival;
  int turns = 0;
};

// The ways in which the bytes go.
enum class Way { kUnix, kTcp, kTls };

void TcpPair(int ends[2]) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(ends[0], reinterpret_cast<sockaddr*>(&address), size), 0);
  ends[1] = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  close(listener);
  for (const int end : {ends[0], ends[1]}) {
    fcntl(end, F_SETFL, O_NONBLOCK);
    SetUpLinkSocket(end);
  }
}

// The contract of all ways.
class FramedStreamTest : public testing::TestWithParam<Way> {
 protected:
  ~FramedStreamTest() override {
    client_.reset();
    server_.reset();
    ev_loop_destroy(loop_);
  }

  // Of a client and of a server, connected; that of TLS has not begun with its handshake.
  void Pair(std::unique_ptr<StreamBytes>* client, std::unique_ptr<StreamBytes>* server) {
    int ends[2];
    if (GetParam() == Way::kUnix) {
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
      *client = PlainBytes::OfUnixSocket(ends[0]);
      *server = PlainBytes::OfUnixSocket(ends[1]);
      return;
    }
    TcpPair(ends);
    if (GetParam() == Way::kTcp) {
      *client = PlainBytes::OfTcp(ends[0]);
      *server = PlainBytes::OfTcp(ends[1]);
      return;
    }
    static const TestCertificates trust;
    std::string wrong;
    const auto gateway = trust.Of(LinkRole::kGateway);
    const auto statekeeper = trust.Of(LinkRole::kStatekeeper);
    *client = std::make_unique<TlsBytes>(gateway->OfStreams(TlsContext::Role::kClient, &wrong), ends[0]);
    *server = std::make_unique<TlsBytes>(statekeeper->OfStreams(TlsContext::Role::kServer, &wrong), ends[1]);
  }
  // The server's end, and the bare bytes of the other one.
  void ServeRaw() {
    std::unique_ptr<StreamBytes> server;
    Pair(&raw_, &server);
    const auto done = StreamBytes::Opening::kDone;
    for (bool a = false, b = false; !a || !b;) {
      a = a || !raw_->NeedsOpening() || raw_->Open() == done;
      b = b || !server->NeedsOpening() || server->Open() == done;
    }
    FramedStream::Serve(std::move(server), "", server_->inbox,
                        [](const grpc::ByteBuffer&) { return grpc::Status::OK; });
  }
  void Say(const std::string& bytes) {
    const iovec all{const_cast<char*>(bytes.data()), bytes.size()};
    ASSERT_EQ(raw_->Write(&all, 1), static_cast<ssize_t>(bytes.size()));
    Turn();
  }
  // Both ends, of which the client's has said "hello".
  void Connect(grpc::Status verdict = grpc::Status::OK) {
    std::unique_ptr<StreamBytes> client;
    std::unique_ptr<StreamBytes> server;
    Pair(&client, &server);
    stream_ = FramedStream::Begin(Bytes("hello"), client_->inbox);
    stream_->Connected(std::move(client));
    while (server->NeedsOpening() && server->Open() != StreamBytes::Opening::kDone) Turn(1);
    FramedStream::Serve(std::move(server), "", server_->inbox,
                        [verdict](const grpc::ByteBuffer&) { return verdict; });
    Turn();
  }
  void Turn(int turns = 6) {
    for (int i = 0; i < turns; ++i) ev_run(loop_, EVRUN_NOWAIT);
  }
  void TurnUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 1'000 && !done(); ++i) Turn(1);
  }
  // Sends until the kernel takes no more. Returns what was sent.
  std::vector<std::string> Fill(LinkStream* stream) {
    std::vector<std::string> sent;
    while (!stream->Busy()) {
      sent.push_back(std::string(100'000, static_cast<char>('a' + sent.size())));
      stream->Write(Bytes(sent.back()));
    }
    return sent;
  }

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  std::unique_ptr<Side> client_ = std::make_unique<Side>(loop_);
  std::unique_ptr<Side> server_ = std::make_unique<Side>(loop_);
  std::shared_ptr<FramedStream> stream_;
  std::unique_ptr<StreamBytes> raw_;
};

TEST_P(FramedStreamTest, CarriesMessagesOfAllSizesInOrderBothWays) {
  Connect();
  EXPECT_EQ(server_->kinds, Kinds{Arrival::kOpened});
  std::vector<std::string> sent;
  for (const size_t size :
       {0, 1, 3, 4, 5, 32'763, 32'764, 32'768, 32'769, 65'532, 65'536, 70'000, 3 << 20, 7})
    sent.push_back(std::string(size, static_cast<char>('a' + sent.size())));
  for (const bool up : {true, false}) {
    Side& to = up ? *server_ : *client_;
    LinkStream* from = up ? stream_.get() : server_->stream.get();
    to.texts.clear();
    for (const std::string& text : sent) {
      while (from->Busy()) Turn(1);
      from->Write(Bytes(text));
    }
    TurnUntil([&] { return to.texts.size() == sent.size(); });
    EXPECT_EQ(to.texts, sent);
  }
  EXPECT_GT(server_->turns, 0);
}

TEST_P(FramedStreamTest, TakesMessagesInPiecesAsTheyCome) {
  ServeRaw();
  std::string bytes;
  std::vector<std::string> sent;
  for (const size_t size : {5, 0, 200, 40'000}) {
    sent.push_back(std::string(size, 'x'));
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift);
    bytes += sent.back();
  }
  for (size_t at = 0; at < bytes.size(); at += 3) Say(bytes.substr(at, 3));
  EXPECT_EQ(server_->texts, sent);
  EXPECT_EQ(server_->kinds.front(), Arrival::kOpened);
}

TEST_P(FramedStreamTest, SaysWhenThereIsRoomAgain) {
  Connect();
  server_->inbox->Hold(true);
  std::vector<std::string> sent = Fill(stream_.get());
  Turn(10);
  EXPECT_TRUE(stream_->Busy());
  EXPECT_EQ(client_->kinds, Kinds{});
  EXPECT_EQ(server_->texts, std::vector<std::string>{"hello"}) << "it is held";
  server_->inbox->Hold(false);
  sent.insert(sent.begin(), "hello");
  TurnUntil([&] { return server_->texts.size() == sent.size(); });
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kWritable});
  EXPECT_EQ(server_->texts, sent);
}

TEST_P(FramedStreamTest, WhatIsReadAndNotYetHandedOverWaitsWhileItIsHeld) {
  Connect();
  server_->on_arrival = [this] { server_->inbox->Hold(true); };
  for (const char* text : {"a", "b", "c"}) stream_->Write(Bytes(text));
  Turn();
  EXPECT_EQ(server_->texts, (std::vector<std::string>{"hello", "a"}));
  stream_->Write(Bytes("d"));
  server_->inbox->Hold(false);
  Turn();
  EXPECT_EQ(server_->texts, (std::vector<std::string>{"hello", "a", "b"}));
  server_->on_arrival = nullptr;
  server_->inbox->Hold(false);
  Turn();
  EXPECT_EQ(server_->texts, (std::vector<std::string>{"hello", "a", "b", "c", "d"}));
}

TEST_P(FramedStreamTest, TellsTheClientWhyItEnds) {
  Connect();
  server_->stream->Write(Bytes("last"));
  server_->stream->End({grpc::StatusCode::INVALID_ARGUMENT, "it is so", std::string("\0\1", 2)});
  Turn();
  EXPECT_EQ(client_->texts, std::vector<std::string>{"last"});
  EXPECT_EQ(client_->kinds, (Kinds{Arrival::kMessage, Arrival::kClosed}));
  EXPECT_EQ(stream_->status().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(stream_->status().error_message(), "it is so");
  EXPECT_EQ(stream_->status().error_details(), std::string("\0\1", 2));
  EXPECT_TRUE(stream_->Busy());
  EXPECT_EQ(server_->kinds, Kinds{Arrival::kOpened}) << "who ends it hears nothing";
}

TEST_P(FramedStreamTest, TellsItAlsoBehindAMessageThatWaits) {
  Connect();
  client_->inbox->Hold(true);
  const std::vector<std::string> sent = Fill(server_->stream.get());
  server_->stream->End({grpc::StatusCode::ABORTED, "enough"});
  server_->stream.reset();
  Turn(5);
  client_->inbox->Hold(false);
  TurnUntil([&] { return !client_->kinds.empty() && client_->kinds.back() == Arrival::kClosed; });
  EXPECT_EQ(client_->texts, sent);
  EXPECT_EQ(client_->kinds.back(), Arrival::kClosed);
  EXPECT_EQ(stream_->status().error_message(), "enough");
}

TEST_P(FramedStreamTest, ARefusedGreetingIsTold) {
  Connect({grpc::StatusCode::FAILED_PRECONDITION, "not here"});
  EXPECT_EQ(server_->kinds, Kinds{});
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(stream_->status().error_message(), "not here");
}

TEST_P(FramedStreamTest, HearsWhenTheOtherEndIsGone) {
  Connect();
  server_->stream->Abort();
  stream_->Write(Bytes("too late"));
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(stream_->status().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_P(FramedStreamTest, WhatTheOtherEndSaidBeforeItWentIsHeard) {
  Connect();
  server_->stream->Write(Bytes("good-bye"));
  server_->stream->Abort();
  stream_->Write(Bytes("too late"));
  Turn();
  EXPECT_EQ(client_->texts, std::vector<std::string>{"good-bye"});
  EXPECT_EQ(client_->kinds, (Kinds{Arrival::kMessage, Arrival::kClosed}));
}

TEST_P(FramedStreamTest, WhereNobodyListensItEndsAfterTheCall) {
  const auto stream = FramedStream::Connect("/nowhere/at/all", Bytes("hello"), client_->inbox);
  stream->Write(Bytes("nothing"));
  EXPECT_EQ(client_->kinds, Kinds{});
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
}

TEST_P(FramedStreamTest, EndsWithItsInbox) {
  Connect();
  server_->inbox->Close();
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(server_->kinds, Kinds{Arrival::kOpened});
}

TEST_P(FramedStreamTest, MayBeEndedByWhatItBrings) {
  Connect();
  server_->on_arrival = [this] { server_->stream->Abort(); };
  for (const char* text : {"a", "b"}) stream_->Write(Bytes(text));
  Turn();
  EXPECT_EQ(server_->texts, (std::vector<std::string>{"hello", "a"}));
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
}

TEST_P(FramedStreamTest, NonsenseEndsIt) {
  const std::string too_large("\x01\x00\x00\x04", 4);  // 64 MiB and a byte
  const std::string large_end("\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
  const std::string bad_end("\xff\xff\xff\xff\x03\x00\x00\x00\x12\x7f!", 11);
  for (const std::string& nonsense : {too_large, large_end, bad_end}) {
    ServeRaw();
    server_->kinds.clear();
    Say(std::string("\x01\x00\x00\x00x", 5));
    Say(nonsense);
    EXPECT_EQ(server_->kinds, (Kinds{Arrival::kOpened, Arrival::kClosed}));
    raw_.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, FramedStreamTest, testing::Values(Way::kUnix, Way::kTcp, Way::kTls),
                         [](const testing::TestParamInfo<Way>& way) {
                           return way.param == Way::kUnix ? "Unix" : way.param == Way::kTcp ? "Tcp" : "Tls";
                         });

}  // namespace
}  // namespace dormouse
