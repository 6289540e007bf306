#include "gateway/edge/frames/frame_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "gateway/edge/frames/unmask.h"

namespace dormouse::edge {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

using Kind = FrameReader::Kind;

// As a client writes it; `form`: how the length is written, 0 the shortest.
struct Wire {
  uint8_t first = 0x81;
  std::string payload = {};
  uint32_t mask = 0x12345678;
  bool masked = true;
  int form = 0;

  std::string bytes() const {
    std::string out(1, static_cast<char>(first));
    const size_t size = payload.size();
    const int length = form != 0 ? form : size < 126 ? 7 : size < 65'536 ? 16 : 64;
    const uint8_t bit = masked ? 0x80 : 0;
    out.push_back(static_cast<char>(bit | (length == 7 ? size : length == 16 ? 126 : 127)));
    for (int shift = length == 7 ? -8 : length - 8; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>(size >> shift));
    if (!masked) return out + payload;
    char key[4];
    std::memcpy(key, &mask, 4);
    out.append(key, 4);
    for (size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
    return out;
  }
};

// What a reader has made of bytes: each message and control frame as "KIND payload".
class Reading {
 public:
  // Brings bytes as a socket does: what the reader leaves comes again, in front of what is next.
  void Bring(std::string_view bytes) {
    std::string all = unread_ + std::string(bytes);
    std::span<char> rest(all);
    while (!wrong) {
      const FrameReader::Step step = reader.Next(&rest);
      if (step.kind == Kind::kNothing) break;
      Take(step);
    }
    unread_.assign(rest.data(), rest.size());
    EXPECT_TRUE(wrong || unread_.size() < FrameReader::kMaxUnread);
  }
  void BringByteByByte(const std::string& bytes) {
    for (const char byte : bytes) {
      if (!wrong) Bring({&byte, 1});
    }
  }

  FrameReader reader;
  std::vector<std::string> seen;
  bool wrong = false;
  uint16_t code = 0;
  std::string what;

 private:
  void Take(const FrameReader::Step& step) {
    switch (step.kind) {
      case Kind::kPiece:
        EXPECT_EQ(step.first, !begun_);
        begun_ = true;
        message_ += step.data;
        if (!step.last) return;
        EXPECT_EQ(step.remaining, 0u);
        seen.push_back(std::string(step.compressed ? "compressed " : "") +
                       (step.binary ? "binary " : "text ") + message_);
        message_.clear();
        begun_ = false;
        return;
      case Kind::kPing:
        return seen.push_back("ping " + std::string(step.data));
      case Kind::kPong:
        return seen.push_back("pong " + std::string(step.data));
      case Kind::kClose:
        return seen.push_back("close " + std::to_string(step.code) + " " + std::string(step.data));
      case Kind::kFail:
        wrong = true;
        code = step.code;
        what = step.data;
        return;
      case Kind::kNothing:
        return;
    }
  }

  std::string unread_;
  std::string message_;
  bool begun_ = false;
};

uint16_t CodeFor(const std::string& bytes) {
  Reading whole;
  whole.Bring(bytes);
  Reading slow;
  slow.BringByteByByte(bytes);
  EXPECT_EQ(whole.code, slow.code) << testing::PrintToString(bytes);
  return whole.code;
}

TEST(FrameReader, TakesMessagesOfAllSizes) {
  for (const size_t size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 125, 126, 127, 128, 4'096, 65'535, 65'536, 100'000}) {
    Reading reading;
    reading.Bring(Wire{.first = 0x82, .payload = std::string(size, 'x')}.bytes());
    EXPECT_THAT(reading.seen, ElementsAre("binary " + std::string(size, 'x')));
  }
}

TEST(FrameReader, TakesBytesCutAnywhere) {
  std::string bytes = Wire{.first = 0x01, .payload = "gr\xc3"}.bytes() +
                      Wire{.first = 0x89, .payload = "one"}.bytes() + Wire{.first = 0x00}.bytes() +
                      Wire{.first = 0x8a}.bytes() + Wire{.first = 0x80, .payload = "\xbc\xc3\x9f"}.bytes() +
                      Wire{.first = 0x82, .payload = std::string(300, 'b')}.bytes() +
                      Wire{.first = 0x88, .payload = "\x03\xe8 bye"}.bytes();
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Reading reading;
    reading.Bring(bytes.substr(0, cut));
    reading.Bring(bytes.substr(cut));
    ASSERT_THAT(reading.seen, ElementsAre("ping one", "pong ", "text grüß", "binary " + std::string(300, 'b'),
                                          "close 1000  bye"))
        << cut;
  }
  Reading slow;
  slow.BringByteByByte(bytes);
  EXPECT_THAT(slow.seen, SizeIs(5));
}

TEST(FrameReader, AMaskThatLooksLikeAHeaderIsAMask) {
  uint32_t mask;
  std::memcpy(&mask, "\x00\x00\x81\x05", 4);
  const std::string bytes = Wire{.payload = "hello", .mask = mask}.bytes();
  Reading reading;
  reading.Bring(bytes.substr(0, 1));
  reading.Bring(bytes.substr(1));
  EXPECT_THAT(reading.seen, ElementsAre("text hello"));
}

TEST(FrameReader, APieceComesWithItsHeader) {
  Reading reading;
  std::string bytes = Wire{.payload = std::string(100'000, 'x')}.bytes().substr(0, 14);
  std::span<char> rest(bytes);
  const FrameReader::Step step = reading.reader.Next(&rest);
  EXPECT_EQ(step.kind, Kind::kPiece);
  EXPECT_TRUE(step.first);
  EXPECT_FALSE(step.last);
  EXPECT_EQ(step.data, "");
  EXPECT_EQ(step.remaining, 100'000u);
  EXPECT_EQ(reading.reader.Next(&rest).kind, Kind::kNothing);
}

TEST(FrameReader, WhatIsNotMaskedIsWrong) {
  for (const uint8_t first : {0x81, 0x82, 0x88, 0x89, 0x8a}) {
    for (const char* payload : {"", "x", "\x03\xe8"}) {
      EXPECT_EQ(CodeFor(Wire{.first = first, .payload = payload, .masked = false}.bytes()), 1002);
    }
  }
}

TEST(FrameReader, ReservedBitsAndOpcodesAreWrong) {
  for (const uint8_t bit : {0x10, 0x20, 0x40, 0x70}) {
    for (const uint8_t opcode : {0, 1, 2, 8, 9, 10}) {
      EXPECT_EQ(CodeFor(Wire{.first = static_cast<uint8_t>(0x80 | bit | opcode)}.bytes()), 1002);
    }
  }
  for (const uint8_t opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    EXPECT_EQ(CodeFor(Wire{.first = static_cast<uint8_t>(0x80 | opcode), .payload = "x"}.bytes()), 1002);
  }
}

TEST(FrameReader, OnlyWholeMessagesThatAreNegotiatedAreCompressed) {
  Reading reading;
  reading.reader.AllowCompressed();
  reading.Bring(Wire{.first = 0x41, .payload = "\xff\xfe"}.bytes() +
                Wire{.first = 0x80, .payload = "\xfd"}.bytes());
  EXPECT_THAT(reading.seen, ElementsAre("compressed text \xff\xfe\xfd")) << "not text yet";
  reading.Bring(Wire{.first = 0x81, .payload = "plain"}.bytes());
  EXPECT_THAT(reading.seen, SizeIs(2));
  reading.Bring(Wire{.first = 0x01}.bytes() + Wire{.first = 0xc0}.bytes());
  EXPECT_EQ(reading.code, 1002);
  Reading control;
  control.reader.AllowCompressed();
  control.Bring(Wire{.first = 0xc9}.bytes());
  EXPECT_EQ(control.code, 1002);
}

TEST(FrameReader, LengthsAreAsShortAsTheyCanBe) {
  EXPECT_EQ(CodeFor(Wire{.payload = std::string(125, 'x'), .form = 16}.bytes()), 1002);
  EXPECT_EQ(CodeFor(Wire{.payload = std::string(126, 'x'), .form = 16}.bytes()), 0);
  EXPECT_EQ(CodeFor(Wire{.payload = std::string(65'535, 'x'), .form = 64}.bytes()), 1002);
  EXPECT_EQ(CodeFor(Wire{.payload = std::string(65'536, 'x'), .form = 64}.bytes()), 0);
  EXPECT_EQ(CodeFor(std::string("\x81\xff\x80\0\0\0\0\1\0\0", 10)), 1002) << "the top bit";
}

TEST(FrameReader, ControlFramesAreWholeAndShort) {
  for (const uint8_t opcode : {8, 9, 10}) {
    EXPECT_EQ(CodeFor(Wire{.first = opcode}.bytes()), 1002);
    const auto final = static_cast<uint8_t>(0x80 | opcode);
    EXPECT_EQ(CodeFor(Wire{.first = final, .payload = std::string(126, 'x')}.bytes().substr(0, 2)), 1002)
        << "before the rest comes";
  }
  EXPECT_EQ(CodeFor(Wire{.first = 0x89, .payload = std::string(125, 'x')}.bytes()), 0);
}

TEST(FrameReader, MessagesDoNotMix) {
  EXPECT_EQ(CodeFor(Wire{.first = 0x80, .payload = "of nothing"}.bytes()), 1002);
  EXPECT_EQ(CodeFor(Wire{.first = 0x01, .payload = "one"}.bytes() + Wire{.first = 0x81}.bytes()), 1002);
  EXPECT_EQ(CodeFor(Wire{.first = 0x01}.bytes() + Wire{.first = 0x80}.bytes() + Wire{.first = 0x80}.bytes()),
            1002);
}

TEST(FrameReader, TextIsJudgedWithEachByte) {
  const std::string good = "\xce\xba\xe1\xbd\xb9";
  const std::string bytes = Wire{.payload = good + "\xf4\x90" + std::string(100, 'x')}.bytes();
  Reading reading;
  reading.Bring(bytes.substr(0, 6 + good.size() + 1));
  EXPECT_FALSE(reading.wrong);
  reading.Bring(bytes.substr(6 + good.size() + 1, 1));
  EXPECT_EQ(reading.code, 1007) << "though the message is far from its end";
  EXPECT_EQ(CodeFor(Wire{.payload = "\xc3"}.bytes()), 1007) << "cut off";
  EXPECT_EQ(CodeFor(Wire{.first = 0x01, .payload = "\xc3"}.bytes() + Wire{.first = 0x80}.bytes()), 1007);
  EXPECT_EQ(CodeFor(Wire{.first = 0x82, .payload = "\xff"}.bytes()), 0) << "binary may be anything";
}

TEST(FrameReader, ACloseFrameSaysSomethingOrNothing) {
  const auto close = [](const std::string& payload) {
    return Wire{.first = 0x88, .payload = payload}.bytes();
  };
  Reading bare;
  bare.Bring(close(""));
  EXPECT_THAT(bare.seen, ElementsAre("close 1005 "));
  EXPECT_EQ(CodeFor(close("\x03")), 1002);
  EXPECT_EQ(CodeFor(close("\x03\xe8\xff")), 1002);
  EXPECT_EQ(CodeFor(close("\x03\xed")), 1002) << "1005 is never sent";
}

TEST(FrameReader, UnmaskingByWordsIsUnmaskingByBytes) {
  for (size_t size = 0; size < 70; ++size) {
    for (size_t from = 0; from <= size; ++from) {
      std::string expected;
      std::string data;
      for (size_t i = 0; i < size; ++i) {
        data.push_back(static_cast<char>(i * 7));
        expected.push_back(static_cast<char>(data[i] ^ "\x11\x22\x33\x44"[i % 4]));
      }
      uint32_t mask;
      std::memcpy(&mask, "\x11\x22\x33\x44", 4);
      Unmask(data.data(), from, mask);
      Unmask(data.data() + from, size - from, AdvanceMask(mask, from));
      ASSERT_EQ(data, expected) << size << " " << from;
    }
  }
}

TEST(FrameReader, RandomMessagesInRandomSegments) {
  std::mt19937 random(1);
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(random() % end); };
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    std::vector<std::string> expected;
    for (int i = 0; i < 50; ++i) {
      std::string payload(below(4) == 0 ? below(500) : below(20), static_cast<char>('a' + below(26)));
      const uint32_t mask = below(3) == 0 ? 0x0581'0000u : static_cast<uint32_t>(random());
      if (below(5) == 0) {
        payload.resize(std::min<size_t>(payload.size(), 125));
        bytes += Wire{.first = 0x89, .payload = payload, .mask = mask}.bytes();
        expected.push_back("ping " + payload);
        continue;
      }
      const size_t cut = below(2) == 0 ? payload.size() : below(static_cast<uint32_t>(payload.size()) + 1);
      if (cut < payload.size()) {
        bytes += Wire{.first = 0x01, .payload = payload.substr(0, cut), .mask = mask}.bytes() +
                 Wire{.first = 0x80, .payload = payload.substr(cut), .mask = ~mask}.bytes();
      } else {
        bytes += Wire{.first = 0x81, .payload = payload, .mask = mask}.bytes();
      }
      expected.push_back("text " + payload);
    }
    Reading reading;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + below(below(2) == 0 ? 3 : 200);
      reading.Bring(std::string_view(bytes).substr(at, size));
      at += size;
    }
    ASSERT_EQ(reading.seen, expected) << round;
  }
}

}  // namespace
}  // namespace dormouse::edge
