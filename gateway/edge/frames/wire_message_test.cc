#include "gateway/edge/frames/wire_message.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

namespace dormouse::edge {
namespace {

// What a batch would bring to a socket.
std::string BytesOf(const WriteBatch& batch) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  std::string got;
  std::thread reader([&] {
    char buffer[65'536];
    for (ssize_t size; (size = read(ends[1], buffer, sizeof(buffer))) > 0;)
      got.append(buffer, static_cast<size_t>(size));
  });
  EXPECT_EQ(batch.SendTo(ends[0]), static_cast<ssize_t>(batch.size()));
  close(ends[0]);
  reader.join();
  close(ends[1]);
  return got;
}

// All of it, taken at most `step` bytes at a time.
std::string Written(const WireMessage& message, size_t step) {
  std::string out;
  WriteBatch batch;
  while (out.size() < message.wire_size()) {
    batch.Clear();
    const size_t to = std::min(message.wire_size(), out.size() + step);
    const size_t taken = message.AppendTo(&batch, out.size(), to);
    EXPECT_GT(taken, 0u);
    EXPECT_EQ(taken, batch.size());
    if (taken == 0) break;
    out += BytesOf(batch);
  }
  return out;
}

std::string Header(unsigned first, size_t size) {
  std::string header(1, static_cast<char>(first));
  if (size < 126) return header + static_cast<char>(size);
  if (size > 65'535) {
    header += static_cast<char>(127);
    for (int shift = 56; shift >= 0; shift -= 8) header += static_cast<char>(size >> shift);
    return header;
  }
  return header + static_cast<char>(126) + static_cast<char>(size >> 8) + static_cast<char>(size & 0xff);
}

std::string Bytes(size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>('a' + i % 23));
  return bytes;
}

TEST(WireMessage, IsOneFrameUpToASize) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{125}, size_t{126}, size_t{2'047}, size_t{2'048},
                            size_t{65'535}, size_t{65'536}, WireMessage::kMaxUnfragmented}) {
    const std::string all = Bytes(size);
    for (const size_t head : {size_t{0}, size / 3, size}) {
      const WireMessage message(Opcode::kText, std::string_view(all).substr(0, head),
                                std::string_view(all).substr(head));
      for (const size_t step : {size_t{100'000}, std::max<size_t>(size / 3, 1'000)}) {
        EXPECT_TRUE(Written(message, step) == Header(0x81, size) + all) << size << " " << head << " " << step;
      }
    }
  }
}

TEST(WireMessage, ALongOneGoesInFragments) {
  const size_t size = WireMessage::kMaxUnfragmented + 77;
  const std::string all = Bytes(size);
  std::string expected;
  for (size_t at = 0; at < size; at += WireMessage::kFragmentSize) {
    const std::string part = all.substr(at, WireMessage::kFragmentSize);
    expected += Header((at == 0 ? 2u : 0u) | (part.size() == 77 ? 0x80u : 0u), part.size()) + part;
  }
  for (const size_t head :
       {size_t{0}, size_t{1}, WireMessage::kFragmentSize, 3 * WireMessage::kFragmentSize - 1, size}) {
    const WireMessage message(Opcode::kBinary, std::string_view(all).substr(0, head),
                              std::string_view(all).substr(head));
    EXPECT_EQ(message.wire_size(), expected.size());
    for (const size_t step : {size_t{1'000'000}, size_t{99'999}})
      EXPECT_TRUE(Written(message, step) == expected);
  }
}

TEST(WireMessage, KnowsHowFarItHasCome) {
  const std::string all = Bytes(WireMessage::kMaxUnfragmented + WireMessage::kFragmentSize);
  for (const size_t size : {size_t{10}, size_t{50'000}, all.size(), all.size() - 5}) {
    const WireMessage message(Opcode::kText, std::string_view(all).substr(0, size / 2),
                              std::string_view(all).substr(size / 2, size - size / 2));
    EXPECT_EQ(message.PayloadWithin(0), 0u);
    EXPECT_EQ(message.PayloadWithin(message.wire_size()), size);
    EXPECT_EQ(message.PayloadWithin(SIZE_MAX), size);
    EXPECT_EQ(message.EndOfFrame(0), 0u);
    EXPECT_EQ(message.EndOfFrame(message.wire_size()), message.wire_size());
    EXPECT_EQ(message.EndOfFrame(message.wire_size() - 1), message.wire_size());
  }
  const WireMessage fragments(Opcode::kText, {}, all);
  const size_t frame = WireMessage::kFragmentSize + 4;
  EXPECT_EQ(fragments.EndOfFrame(1), frame);
  EXPECT_EQ(fragments.EndOfFrame(frame), frame);
  EXPECT_EQ(fragments.EndOfFrame(frame + 1), 2 * frame);
  EXPECT_EQ(fragments.PayloadWithin(frame + 2), WireMessage::kFragmentSize);
  EXPECT_EQ(fragments.PayloadWithin(frame + 5), WireMessage::kFragmentSize + 1);
}

TEST(WireMessage, ManyShortOnesAreOneWrite) {
  WriteBatch batch;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string text = "message " + std::to_string(i);
    const WireMessage message(Opcode::kText, text.substr(0, 3), text.substr(3));
    EXPECT_EQ(
        WireMessage(Opcode::kText, std::string_view(text).substr(0, 3), std::string_view(text).substr(3))
            .AppendTo(&batch, 0, message.wire_size()),
        message.wire_size());
    expected += Header(0x81, text.size()) + text;
  }
  EXPECT_TRUE(BytesOf(batch) == expected);
}

TEST(WriteBatch, SaysWhenItIsFull) {
  WriteBatch batch;
  const std::string piece(WriteBatch::kLongPiece, 'x');
  size_t taken = 0;
  while (batch.Append(piece, WriteBatch::Lifetime::kWrite)) ++taken;
  EXPECT_EQ(batch.size(), taken * piece.size());
  EXPECT_LE(batch.size(), WriteBatch::kMaxBytes);
  EXPECT_GT(taken, 10u);
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.Append(piece, WriteBatch::Lifetime::kWrite));
}

}  // namespace
}  // namespace dormouse::edge
