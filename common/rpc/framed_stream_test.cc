#include "common/rpc/framed_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"

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

class FramedStreamTest : public testing::Test {
 protected:
  ~FramedStreamTest() override {
    client_.reset();
    server_.reset();
    ev_loop_destroy(loop_);
    if (raw_ >= 0) close(raw_);
  }

  // The server's end, and the bare socket of the other one.
  void ServeRaw() {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    raw_ = ends[0];
    FramedStream::Serve(ends[1], server_->inbox, [](const grpc::ByteBuffer&) { return grpc::Status::OK; });
  }
  void Say(const std::string& bytes) {
    ASSERT_EQ(send(raw_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    Turn();
  }
  // Both ends, of which the client's has said "hello". (It connects to nothing, in these tests.)
  void Connect(grpc::Status verdict = grpc::Status::OK) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    stream_ = std::make_shared<FramedStream>(ends[0], client_->inbox, nullptr);
    client_->inbox->Adopt(stream_);
    FramedStream::Serve(ends[1], server_->inbox, [verdict](const grpc::ByteBuffer&) { return verdict; });
    stream_->Write(Bytes("hello"));
    Turn();
  }
  void Turn(int turns = 3) {
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
  int raw_ = -1;
};

TEST_F(FramedStreamTest, CarriesMessagesOfAllSizesInOrderBothWays) {
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

TEST_F(FramedStreamTest, TakesMessagesInPiecesAsTheyCome) {
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

TEST_F(FramedStreamTest, SaysWhenThereIsRoomAgain) {
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

TEST_F(FramedStreamTest, WhatIsReadAndNotYetHandedOverWaitsWhileItIsHeld) {
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

TEST_F(FramedStreamTest, TellsTheClientWhyItEnds) {
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

TEST_F(FramedStreamTest, TellsItAlsoBehindAMessageThatWaits) {
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

TEST_F(FramedStreamTest, ARefusedGreetingIsTold) {
  Connect({grpc::StatusCode::FAILED_PRECONDITION, "not here"});
  EXPECT_EQ(server_->kinds, Kinds{});
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(stream_->status().error_message(), "not here");
}

TEST_F(FramedStreamTest, HearsWhenTheOtherEndIsGone) {
  Connect();
  server_->stream->Abort();
  stream_->Write(Bytes("too late"));
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(stream_->status().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FramedStreamTest, WhatTheOtherEndSaidBeforeItWentIsHeard) {
  Connect();
  server_->stream->Write(Bytes("good-bye"));
  server_->stream->Abort();
  stream_->Write(Bytes("too late"));
  Turn();
  EXPECT_EQ(client_->texts, std::vector<std::string>{"good-bye"});
  EXPECT_EQ(client_->kinds, (Kinds{Arrival::kMessage, Arrival::kClosed}));
}

TEST_F(FramedStreamTest, WhereNobodyListensItEndsAfterTheCall) {
  const auto stream = FramedStream::Connect("/nowhere/at/all", Bytes("hello"), client_->inbox);
  stream->Write(Bytes("nothing"));
  EXPECT_EQ(client_->kinds, Kinds{});
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
}

TEST_F(FramedStreamTest, EndsWithItsInbox) {
  Connect();
  server_->inbox->Close();
  Turn();
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
  EXPECT_EQ(server_->kinds, Kinds{Arrival::kOpened});
}

TEST_F(FramedStreamTest, MayBeEndedByWhatItBrings) {
  Connect();
  server_->on_arrival = [this] { server_->stream->Abort(); };
  for (const char* text : {"a", "b"}) stream_->Write(Bytes(text));
  Turn();
  EXPECT_EQ(server_->texts, (std::vector<std::string>{"hello", "a"}));
  EXPECT_EQ(client_->kinds, Kinds{Arrival::kClosed});
}

TEST_F(FramedStreamTest, NonsenseEndsIt) {
  const std::string too_large("\x01\x00\x00\x04", 4);  // 64 MiB and a byte
  const std::string large_end("\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
  const std::string bad_end("\xff\xff\xff\xff\x03\x00\x00\x00\x12\x7f!", 11);
  for (const std::string& nonsense : {too_large, large_end, bad_end}) {
    ServeRaw();
    server_->kinds.clear();
    Say(std::string("\x01\x00\x00\x00x", 5));
    Say(nonsense);
    EXPECT_EQ(server_->kinds, (Kinds{Arrival::kOpened, Arrival::kClosed}));
    close(std::exchange(raw_, -1));
  }
}

}  // namespace
}  // namespace dormouse
