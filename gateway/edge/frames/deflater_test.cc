#include "gateway/edge/frames/deflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/frames/inflater.h"

namespace dormouse::edge {
namespace {

using Result = Deflater::Result;

std::string Json(size_t size) {
  std::string text = "[";
  for (int i = 0; text.size() < size; ++i)
    text += "{\"type\":\"event\",\"seq\":" + std::to_string(i * 7919 % 10007) + "},";
  return text.substr(0, size);
}

std::string Noise(size_t size) {
  std::mt19937 random(1);
  std::string noise(size, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  return noise;
}

// As a client that keeps no larger window than it asked for. Not Inflater: that has the largest.
std::string InflatedBy(int window_bits, std::string message) {
  message.append("\x00\x00\xff\xff", 4);
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, -window_bits), Z_OK);
  std::string out;
  char piece[100];  // small, so that references go through the window
  stream.next_in = reinterpret_cast<Bytef*>(message.data());
  stream.avail_in = static_cast<uInt>(message.size());
  int said;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    said = inflate(&stream, Z_SYNC_FLUSH);
    out.append(piece, sizeof piece - stream.avail_out);
  } while (said == Z_OK && stream.avail_out == 0);
  EXPECT_GE(said, Z_BUF_ERROR) << (stream.msg == nullptr ? "" : stream.msg);
  EXPECT_EQ(said == Z_BUF_ERROR ? Z_OK : said, Z_OK);
  EXPECT_EQ(stream.avail_in, 0);
  inflateEnd(&stream);
  return out;
}

class DeflaterTest : public testing::Test {
 protected:
  Result Deflate(const std::vector<std::string_view>& parts, uint8_t window_bits = 15) {
    out_.clear();
    return deflater_.Deflate(parts, window_bits, &out_);
  }

  Deflater deflater_;
  Inflater inflater_;
  std::string out_;
};

TEST_F(DeflaterTest, ComesBackInEveryWindow) {
  for (const size_t size : {128, 1'000, 16'384, 70'000, 1'000'000}) {
    for (const std::string& text : {Json(size), std::string(size, 'a'), Json(size / 2) + Noise(size / 2)}) {
      for (uint8_t bits = kMinWindowBits; bits <= kMaxWindowBits; ++bits) {
        ASSERT_EQ(Deflate({text}, bits), Result::kSmaller) << size << ' ' << int{bits};
        EXPECT_LT(out_.size(), text.size());
        EXPECT_FALSE(out_.ends_with(std::string_view("\x00\x00\xff\xff", 4)));
        EXPECT_TRUE(InflatedBy(bits, out_) == text) << size << ' ' << int{bits};
        std::string inflated;
        EXPECT_EQ(inflater_.Inflate(out_, text.size(), &inflated), Inflater::Result::kOk);
        EXPECT_TRUE(inflated == text);
      }
    }
  }
}

TEST_F(DeflaterTest, EachWindowReachesAsFarAsItMay) {
  for (uint8_t bits = kMinWindowBits; bits <= kMaxWindowBits; ++bits) {
    // Can be made smaller only by what lies so far back; zlib uses all of a window but 262 bytes.
    const std::string noise = Noise((size_t{1} << bits) - 300);
    if (bits > kMinWindowBits) {
      EXPECT_EQ(Deflate({noise, noise}, bits - 1), Result::kPlain) << int{bits};
    }
    EXPECT_EQ(Deflate({noise, noise}, bits), Result::kSmaller) << int{bits};
  }
}

TEST_F(DeflaterTest, PartsAreOneMessage) {
  const std::string text = Json(5'000);
  const std::string_view view = text;
  ASSERT_EQ(Deflate({view}), Result::kSmaller);
  const std::string at_once = out_;
  for (const size_t at : {0, 1, 64, 2'500, 5'000}) {
    ASSERT_EQ(Deflate({view.substr(0, at), view.substr(at)}), Result::kSmaller);
    EXPECT_EQ(InflatedBy(15, out_), text);
    EXPECT_LE(out_.size(), at_once.size() + 16);
  }
  // It is the whole that has to be long enough.
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < 1'000; ++i) bytes.push_back(view.substr(i, 1));
  ASSERT_EQ(Deflate(bytes), Result::kSmaller);
  EXPECT_EQ(InflatedBy(15, out_), text.substr(0, 1'000));
}

TEST_F(DeflaterTest, NoContextIsTakenOver) {
  const std::string text = Json(1'000);
  ASSERT_EQ(Deflate({text}), Result::kSmaller);
  const std::string first = out_;
  ASSERT_EQ(Deflate({Noise(10'000)}), Result::kPlain);  // given up in the middle
  ASSERT_EQ(Deflate({text}), Result::kSmaller);
  EXPECT_EQ(out_, first);
}

TEST_F(DeflaterTest, AppendsAndLeavesAloneWhatWasThere) {
  std::string out = "head";
  const std::string text = Json(1'000);
  const std::string_view parts[] = {text};
  EXPECT_EQ(deflater_.Deflate(parts, 15, &out), Result::kSmaller);
  ASSERT_TRUE(out.starts_with("head"));
  EXPECT_EQ(InflatedBy(15, out.substr(4)), text);
  const std::string before = out;
  const std::string noise = Noise(100'000);
  const std::string_view noisy[] = {noise};
  EXPECT_EQ(deflater_.Deflate(noisy, 15, &out), Result::kPlain);
  EXPECT_EQ(out, before);
}

TEST_F(DeflaterTest, ShortMessagesGoPlain) {
  EXPECT_EQ(Deflate({}), Result::kPlain);
  EXPECT_EQ(Deflate({""}), Result::kPlain);
  EXPECT_EQ(Deflate({std::string(Deflater::kMinSize - 1, 'a')}), Result::kPlain);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Deflate({std::string(Deflater::kMinSize, 'a')}), Result::kSmaller);
}

TEST_F(DeflaterTest, WhatDoesNotGetSmallerGoesPlain) {
  for (const size_t size : {128, 1'000, 16'384, 1'000'000}) {
    EXPECT_EQ(Deflate({Noise(size)}), Result::kPlain) << size;
    EXPECT_EQ(out_, "");
  }
}

}  // namespace
}  // namespace dormouse::edge
