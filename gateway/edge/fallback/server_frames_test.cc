#include "gateway/edge/fallback/server_frames.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "gateway/edge/frames/frame_reader.h"

namespace dormouse::edge {
namespace {

std::string ServerFrame(Opcode opcode, bool final, std::string_view payload) {
  std::string frame{static_cast<char>((final ? 0x80 : 0) | static_cast<int>(opcode))};
  if (payload.size() > 65'535) {
    frame += static_cast<char>(127);
    for (int i = 7; i >= 0; --i) frame += static_cast<char>(payload.size() >> (8 * i) & 0xff);
  } else if (payload.size() > 125) {
    frame += static_cast<char>(126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size() & 0xff);
  } else {
    frame += static_cast<char>(payload.size());
  }
  return frame.append(payload);
}

using Message = std::pair<Opcode, std::string>;

// What is read from bytes that come in pieces of that size.
std::vector<Message> Read(std::string_view bytes, size_t piece) {
  std::vector<Message> read;
  ServerFrames frames;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    std::string_view in = bytes.substr(0, piece);
    for (;;) {
      const ServerFrames::Step step = frames.Next(&in);
      if (!step.whole) break;
      read.emplace_back(step.opcode, step.payload);
    }
    EXPECT_TRUE(in.empty());
  }
  return read;
}

TEST(ServerFramesTest, AreReadHoweverTheyAreCut) {
  const std::string large(70'000, 'x');
  const std::string bytes =
      ServerFrame(Opcode::kText, true, "") + ServerFrame(Opcode::kText, false, "one") +
      ServerFrame(Opcode::kPing, true, "12345678") + ServerFrame(Opcode::kContinuation, false, "") +
      ServerFrame(Opcode::kContinuation, true, " two") + ServerFrame(Opcode::kBinary, true, large) +
      ServerFrame(Opcode::kText, true, std::string(200, 'y')) +
      ServerFrame(Opcode::kClose, true, "\x03\xe8ok");
  const std::vector<Message> expected = {{Opcode::kText, ""},
                                         {Opcode::kPing, "12345678"},
                                         {Opcode::kText, "one two"},
                                         {Opcode::kBinary, large},
                                         {Opcode::kText, std::string(200, 'y')},
                                         {Opcode::kClose, "\x03\xe8ok"}};
  for (const size_t piece : {1, 2, 3, 7, 1'000, 65'536, 1'000'000})
    EXPECT_EQ(Read(bytes, piece), expected) << piece;
}

TEST(ServerFramesTest, WhatIsWrittenIsWhatTheEdgeReads) {
  for (const size_t size : {0, 1, 125, 126, 65'535, 65'536, 100'000}) {
    const std::string payload(size, 'z');
    char header[kMaxClientHeader];
    std::string bytes(header, WriteClientHeader(Opcode::kBinary, true, size, header));
    bytes += payload + ClientControlFrame(Opcode::kPong, "abc");
    FrameReader reader;
    std::span<char> in(bytes);
    const FrameReader::Step piece = reader.Next(&in);
    EXPECT_EQ(piece.kind, FrameReader::Kind::kPiece);
    EXPECT_TRUE(piece.first && piece.last && piece.binary);
    EXPECT_EQ(piece.data, payload);
    const FrameReader::Step pong = reader.Next(&in);
    EXPECT_EQ(pong.kind, FrameReader::Kind::kPong);
    EXPECT_EQ(pong.data, "abc");
  }
}

}  // namespace
}  // namespace dormouse::edge
