// WebSockets whose sockets speak TLS, over TCP.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "common/auth/testing/certificates.h"
#include "gateway/edge/sockets/web_sockets.h"

namespace dormouse::edge {
namespace {

using State = TlsSession::State;

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class TlsTest : public ::testing::Test,
                protected WebSockets::Receiver,
                protected WebSockets::Sender,
                protected WebSockets::Owner {
 protected:
  TlsTest() {
    sockets_.SetEnds(this, this);
    ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
      static_cast<TlsTest*>(prepare->data)->sockets_.OnTurnEnd();
    });
    turn_end_.data = this;
    ev_prepare_start(loop_.get(), &turn_end_);
    Connect();
  }
  ~TlsTest() override {
    if (connection_ != nullptr) sockets_.CloseSilently(connection_.get());
    if (client_fd_ >= 0) close(client_fd_);
    ev_prepare_stop(loop_.get(), &turn_end_);
  }

  // A client that has shaken hands and been told "101".
  void Connect() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof(address);
    // So that sockets are full soon.
    const int small = 4'096;
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(listener, 1), 0);
    ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    client_fd_ = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(client_fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    ASSERT_EQ(connect(client_fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    ClientSocket socket{.fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK), .seat = {}, .tls = nullptr};
    close(listener);

    const CertificateFiles files = authority_.Certify("server", "DNS:localhost");
    TlsContext::Complaint complaint;
    const auto server =
        TlsContext::New({}, {ContentOf(files.certificate), ContentOf(files.key), ""}, &complaint);
    const auto client = TlsContext::New({.role = TlsContext::Role::kClient}, {"", "", ""}, &complaint);
    socket.tls = std::make_unique<TlsSession>(*server, socket.fd);
    client_ = std::make_unique<TlsSession>(*client, client_fd_);
    SSL_clear_options(const_cast<SSL*>(client_->ssl()),
                      SSL_OP_IGNORE_UNEXPECTED_EOF);  // it insists on a farewell
    State theirs = State::kWantsRead;
    for (State ours = State::kWantsRead; ours != State::kDone || theirs != State::kDone;) {
      if (theirs != State::kDone) theirs = client_->Handshake();
      if (ours != State::kDone) ours = socket.tls->Handshake();
    }
    connection_ = std::make_unique<Connection>();
    ASSERT_TRUE(sockets_.Adopt(&socket, "101", "", connection_.get()));
    EXPECT_EQ(Hear(3), "101");
  }

  void Turn() { ev_run(loop_.get(), EVRUN_NOWAIT); }
  // What is there, or comes within a millisecond.
  std::string HearSome() {
    std::vector<char> buffer(65'536);
    pollfd socket{client_fd_, POLLIN, 0};
    poll(&socket, 1, 1);
    const TlsSession::Result read = client_->Read(buffer.data(), buffer.size());
    client_state_ = read.state;
    return {buffer.data(), read.size};
  }
  // What the client gets, so many bytes or until the end; the loop turns meanwhile.
  std::string Hear(size_t size) {
    std::string heard;
    for (int i = 0; i < 10'000 && heard.size() < size; ++i) {
      Turn();
      heard += HearSome();
      if (client_state_ == State::kEnded) break;
    }
    return heard;
  }
  // Until the loop has seen something, or ten seconds have gone by.
  void TurnUntil(const auto& seen) {
    for (int i = 0; i < 10'000 && !seen(); ++i) {
      Turn();
      if (!seen()) poll(nullptr, 0, 1);
    }
  }
  ssize_t Write(std::string_view bytes) {
    WriteBatch batch;
    batch.Append(bytes, WriteBatch::Lifetime::kWrite);
    return sockets_.Write(connection_.get(), batch);
  }
  // A text frame as clients send it, under a mask of zeros.
  static std::string Frame(const std::string& text) {
    return "\x81" + std::string(1, static_cast<char>(0x80 | text.size())) + std::string(4, '\0') + text;
  }

  void OnPiece(Connection*, const FrameReader::Step& piece) override {
    heard_.append(piece.data);
    if (pause_after_ == heard_) sockets_.SetReading(connection_.get(), false);
  }
  void OnPing(Connection*, std::string_view) override {}
  void OnPong(Connection*, std::string_view) override {}
  void OnPeerClose(Connection*, uint16_t, std::string_view) override {}
  void OnProtocolError(Connection*, uint16_t, std::string_view) override {}
  void OnWritable(Connection* connection) override {
    ++writable_;
    sockets_.WantWritable(connection, false);
  }
  void OnGone(Connection*) override { connection_.reset(); }

  struct DestroyLoop {
    void operator()(struct ev_loop* loop) const { ev_loop_destroy(loop); }
  };
  const std::unique_ptr<struct ev_loop, DestroyLoop> loop_{ev_loop_new(EVBACKEND_EPOLL)};
  ev_prepare turn_end_;
  WebSockets sockets_{loop_.get(), this};
  TestAuthority authority_;
  int client_fd_ = -1;
  std::unique_ptr<TlsSession> client_;
  State client_state_ = State::kDone;
  std::unique_ptr<Connection> connection_;  // nullptr: it is gone
  std::string heard_;
  std::string pause_after_ = "nothing";
  int writable_ = 0;
};

TEST_F(TlsTest, WhatTheSessionKeepsIsNotAcknowledged) {
  const std::string text(10'000, 'x');
  size_t written = 0;
  for (ssize_t taken = 1; taken > 0;) {
    taken = Write(text);
    written += static_cast<size_t>(std::max<ssize_t>(taken, 0));
  }
  const auto unsent = static_cast<int>(connection_->tls->unsent());
  ASSERT_GT(unsent, 0);
  // The client reads all that the kernel has, and its machine acknowledges it.
  std::string heard;
  for (int i = 0; i < 10'000 && WebSockets::UnacknowledgedBytes(*connection_) > unsent; ++i)
    heard += HearSome();
  EXPECT_EQ(WebSockets::UnacknowledgedBytes(*connection_), unsent);
  // It gets there though nobody writes any more, and nobody is told that the socket is writable.
  EXPECT_EQ(heard + Hear(written - heard.size()), std::string(written, 'x'));
  TurnUntil([&] { return WebSockets::UnacknowledgedBytes(*connection_) == 0; });
  EXPECT_EQ(WebSockets::UnacknowledgedBytes(*connection_), 0);
  EXPECT_EQ(writable_, 0);
}

TEST_F(TlsTest, WhoWaitsForTheSocketIsToldOnceNothingIsKept) {
  const std::string text(100'000, 'x');
  ssize_t written = Write(text);
  ASSERT_LT(written, static_cast<ssize_t>(text.size()));
  sockets_.WantWritable(connection_.get(), true);
  Turn();
  EXPECT_EQ(writable_, 0);
  EXPECT_EQ(Hear(static_cast<size_t>(written)).size(), static_cast<size_t>(written));
  TurnUntil([&] { return writable_ > 0; });
  EXPECT_EQ(connection_->tls->unsent(), 0u);
  EXPECT_EQ(writable_, 1);
}

TEST_F(TlsTest, OutputEndsBehindWhatIsKept) {
  const std::string text(100'000, 'x');
  const auto written = static_cast<size_t>(Write(text));
  ASSERT_GT(connection_->tls->unsent(), 0u);
  sockets_.EndOutput(connection_.get());
  EXPECT_EQ(Hear(text.size()).size(), written);
  EXPECT_EQ(client_state_, State::kEnded);
  // Its own end of it is what ends the connection.
  ASSERT_NE(connection_, nullptr);
  client_->Shutdown();
  TurnUntil([&] { return connection_ == nullptr; });
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(TlsTest, PiecesOfATurnGoOutInOneRecord) {
  WriteBatch batch;
  const std::string parts[] = {"one ", std::string(WriteBatch::kLongPiece, '2'), " three"};
  for (const std::string& part : parts) batch.Append(part, WriteBatch::Lifetime::kWrite);
  ASSERT_EQ(sockets_.Write(connection_.get(), batch), static_cast<ssize_t>(batch.size()));
  std::string wire(10'000, '\0');
  const ssize_t size = recv(client_fd_, wire.data(), wire.size(), MSG_PEEK | MSG_DONTWAIT);
  ASSERT_GT(size, 5);
  const size_t record = static_cast<uint8_t>(wire[3]) << 8 | static_cast<uint8_t>(wire[4]);
  EXPECT_EQ(static_cast<size_t>(size), record + 5);
  EXPECT_EQ(Hear(batch.size()), parts[0] + parts[1] + parts[2]);
}

TEST_F(TlsTest, AnEndThatComesAlongWithWordsIsSeenBehindThem) {
  client_->Write(Frame("last words"));
  client_->Shutdown();
  TurnUntil([&] { return connection_ == nullptr; });
  EXPECT_EQ(heard_, "last words");
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(TlsTest, WhoIsNotReadHasSaidNothingUntilHeIs) {
  pause_after_ = "one";
  client_->Write(Frame("one") + Frame("two"));
  client_->Write(Frame("three"));
  client_->Shutdown();
  TurnUntil([&] { return !heard_.empty(); });
  for (int i = 0; i < 5; ++i) Turn();
  EXPECT_EQ(heard_, "one");
  ASSERT_NE(connection_, nullptr);
  sockets_.SetReading(connection_.get(), true);
  TurnUntil([&] { return connection_ == nullptr; });
  EXPECT_EQ(heard_, "onetwothree");
}

TEST_F(TlsTest, ARecordThatIsLongerThanAReadStaysNowhere) {
  std::string all;
  std::string said;
  for (int i = 0; i < 150; ++i) {
    const std::string text = std::to_string(i) + std::string(100, '.');
    said += Frame(text);
    all += text;
  }
  ASSERT_EQ(client_->Write(said).size, said.size());
  TurnUntil([&] { return heard_.size() >= all.size(); });
  EXPECT_EQ(heard_, all);
}

TEST_F(TlsTest, WhatIsBrokenEndsTheConnection) {
  const std::string broken = "\x17\x03\x03\x00\x20" + std::string(32, 'x');
  ASSERT_EQ(send(client_fd_, broken.data(), broken.size(), 0), static_cast<ssize_t>(broken.size()));
  TurnUntil([&] { return connection_ == nullptr; });
  EXPECT_EQ(connection_, nullptr);
}

}  // namespace
}  // namespace dormouse::edge
