#include "gateway/edge/frames/inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <string_view>

#include "common/thread_time.h"

namespace dormouse::edge {
namespace {

using Result = Inflater::Result;

constexpr size_t kAny = std::numeric_limits<size_t>::max();

// Of a literal, what is after a NUL among it.
template <size_t size>
std::string Bytes(const char (&literal)[size]) {
  return std::string(literal, size - 1);
}

// `text` in raw deflate, ended by `flush`.
std::string Raw(std::string_view text, int flush, int level = 6) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, flush);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

// As a sender does it.
std::string Message(std::string_view text, int level = 6) {
  std::string raw = Raw(text, Z_SYNC_FLUSH, level);
  EXPECT_TRUE(raw.ends_with(Bytes("\x00\x00\xff\xff")));
  return raw.substr(0, raw.size() - 4);
}

std::string Repeated(std::string_view text, size_t times) {
  std::string all;
  for (; times > 0; --times) all += text;
  return all;
}

// Compresses badly, is the same always.
std::string Noise(size_t size) {
  std::string noise;
  for (uint32_t x = 1; noise.size() < size; x = x * 1'664'525 + 1'013'904'223)
    noise.push_back(static_cast<char>(x >> 24));
  return noise;
}

class InflaterTest : public testing::Test {
 protected:
  Result Inflate(std::string_view message, size_t most = kAny) {
    out_.clear();
    return inflater_.Inflate(message, most, &out_);
  }
  void ExpectText(std::string_view message, std::string_view text) {
    EXPECT_EQ(Inflate(message), Result::kOk);
    EXPECT_TRUE(out_ == text) << "of " << out_.size() << " bytes";
  }

  // This thread's own time; the least of some.
  std::chrono::nanoseconds Cost(std::string_view message, size_t most, Result expected) {
    std::chrono::nanoseconds least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 5; ++i) {
      const std::chrono::nanoseconds begun = ThreadTime();
      EXPECT_EQ(Inflate(message, most), expected);
      least = std::min(least, ThreadTime() - begun);
    }
    return least;
  }

  Inflater inflater_;
  std::string out_;
};

TEST_F(InflaterTest, ExamplesOfTheRfc) {
  ExpectText(Bytes("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");                          // 7.2.3.1
  ExpectText(Bytes("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "Hello");          // 7.2.3.3
  ExpectText(Bytes("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello");                      // 7.2.3.4
  ExpectText(Bytes("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello");  // 7.2.3.5
  ExpectText(Bytes("\x00"), "");                                                       // 7.2.3.6
}

TEST_F(InflaterTest, NothingIsAnEmptyMessage) {
  ExpectText("", "");
  ExpectText(Bytes("\x02\x00"), "");
  ExpectText(Bytes("\x03\x00\x00"), "");
}

TEST_F(InflaterTest, EverySizeAndKindOfBlockComesBack) {
  for (const size_t size : {1, 2, 100, 257, 258, 259, 16'383, 16'384, 16'385, 32'768, 65'536, 1'000'000}) {
    for (const std::string& text :
         {Noise(size), std::string(size, 'a'), Repeated("{\"type\":\"event\"},", size / 17 + 1)}) {
      for (const int level : {0, 1, 6}) {
        ExpectText(Message(text, level), text);
        EXPECT_EQ(Inflate(Message(text, level), text.size()), Result::kOk);
      }
    }
  }
}

TEST_F(InflaterTest, NoContextIsTakenOver) {
  // The second message of 7.2.3.2, which refers to the first.
  ExpectText(Bytes("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
  EXPECT_EQ(Inflate(Bytes("\xf2\x00\x11\x00\x00")), Result::kCorrupt);
  ExpectText(Bytes("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
}

TEST_F(InflaterTest, AppendsAndLeavesAloneWhatWasThereOnFailure) {
  std::string out = "before ";
  EXPECT_EQ(inflater_.Inflate(Message("Hello"), 5, &out), Result::kOk);
  EXPECT_EQ(out, "before Hello");
  EXPECT_EQ(inflater_.Inflate(Message("Hello"), 4, &out), Result::kTooLarge);
  EXPECT_EQ(inflater_.Inflate(Message(Noise(100'000)), 99'999, &out), Result::kTooLarge);
  EXPECT_EQ(inflater_.Inflate(Message(Noise(100'000)) + "\x07", 200'000, &out), Result::kCorrupt);
  EXPECT_EQ(out, "before Hello");
}

// --- BFINAL

TEST_F(InflaterTest, FinalBlocksMayComeAnywhere) {
  const std::string a = Raw("alpha beta ", Z_FINISH);
  const std::string b = Raw("gamma", Z_SYNC_FLUSH);
  ExpectText(a + a + Bytes("\x00"), "alpha beta alpha beta ");
  ExpectText(b + a + Bytes("\x00"), "gammaalpha beta ");
  ExpectText(a + Message("gamma"), "alpha beta gamma");
  ExpectText(a + "\x01", "alpha beta ");  // the empty block at the end is the final one
}

TEST_F(InflaterTest, WhatFollowsAFinalBlockMayReferToWhatCameBefore) {
  // 7.2.3.2's: "Hello" as a reference five bytes back.
  ExpectText(Bytes("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"), "HelloHello");
  // Also across more than is put out at once.
  const std::string text = Noise(20'000);
  const std::string first = Raw(text, Z_FINISH);
  z_stream stream = {};
  ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  deflateSetDictionary(&stream, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  std::string second(1'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(second.data());
  stream.avail_out = static_cast<uInt>(second.size());
  deflate(&stream, Z_SYNC_FLUSH);
  second.resize(second.size() - stream.avail_out - 4);
  deflateEnd(&stream);
  ASSERT_LT(second.size(), 900);
  ExpectText(first + second, text + text);
}

TEST_F(InflaterTest, AMessageMayEndWithItsLastBlock) {
  ExpectText(Bytes("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello");  // which is final
  ExpectText(Raw("Hello", Z_SYNC_FLUSH), "Hello");             // whose end was not left out
  ExpectText(Bytes("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f"), "Hello");
}

TEST_F(InflaterTest, GarbageAfterAFinalBlockIsCorrupt) {
  for (const std::string& garbage :
       {Bytes("\xff"), Bytes("garbage"), Bytes("\x07"), Bytes("\x00\x00"), Bytes("\x00\x01\x00\x00\x00")})
    EXPECT_EQ(Inflate(Raw("Hello", Z_FINISH) + garbage), Result::kCorrupt) << garbage;
}

// --- Corrupt

TEST_F(InflaterTest, WhatIsNoDeflateIsCorrupt) {
  EXPECT_EQ(Inflate(Bytes("\x07")), Result::kCorrupt);  // a type of block that is none
  EXPECT_EQ(Inflate(Bytes("\x00\x05\x00\x00\x00Hello\x00")),
            Result::kCorrupt);  // a length and what is not its complement
  EXPECT_EQ(Inflate("Hello"), Result::kCorrupt);
  EXPECT_EQ(Inflate(Bytes("\xf2\x00\x11\x00\x00")), Result::kCorrupt);  // refers to before the message
}

TEST_F(InflaterTest, AMessageThatIsCutOffIsCorrupt) {
  const std::string text = Repeated("a sentence that comes again, ", 3) + Noise(300);
  for (const int level : {1, 6}) {
    const std::string whole = Message(text, level);
    ExpectText(whole, text);
    for (size_t size = 1; size < whole.size(); ++size)
      EXPECT_EQ(Inflate(whole.substr(0, size)), Result::kCorrupt) << size << " of " << whole.size();
  }
}

// --- Bounds

TEST_F(InflaterTest, NeverMoreThanIsAllowed) {
  for (const size_t size : {1, 100, 16'383, 16'384, 16'385, 100'000}) {
    for (const std::string& text : {Noise(size), std::string(size, 'a')}) {
      const std::string message = Message(text);
      EXPECT_EQ(Inflate(message, size), Result::kOk);
      EXPECT_EQ(Inflate(message, size - 1), Result::kTooLarge);
      EXPECT_EQ(Inflate(message, 0), Result::kTooLarge);
    }
  }
  EXPECT_EQ(Inflate(Bytes("\x00"), 0), Result::kOk);
}

TEST_F(InflaterTest, MemoryGrowsByWhatIsThere) {
  EXPECT_EQ(Inflate(Message("Hello"), 1u << 30), Result::kOk);
  EXPECT_LT(out_.capacity(), 100);
  std::string fresh;
  EXPECT_EQ(inflater_.Inflate(Message(std::string(100'000, 'a')), 1u << 30, &fresh), Result::kOk);
  EXPECT_LE(fresh.capacity(), 200'000);
  std::string bombed;
  EXPECT_EQ(inflater_.Inflate(Message(std::string(5'000'000, 'a')), 100'000, &bombed), Result::kTooLarge);
  EXPECT_LE(bombed.capacity(), 200'000);
}

TEST_F(InflaterTest, ABombCostsWhatIsAllowed) {
  const std::string bomb = Message(Repeated("aaaaaaaaaa", 2'000'000), 1);
  const auto whole = Cost(bomb, kAny, Result::kOk);
  EXPECT_LT(Cost(bomb, 200'000, Result::kTooLarge), whole / 10);
}

TEST_F(InflaterTest, FinalBlocksCostLittleEach) {
  // A window is behind them, which must not be copied for each: that would be 32 KiB for every two bytes.
  const std::string blocks = Raw(Noise(40'000), Z_FINISH) + Repeated(Bytes("\x03\x00"), 20'000);
  const std::string yardstick = Message(std::string(8'000'000, 'a'), 0);  // 400 bytes copied for each
  EXPECT_LT(Cost(blocks, kAny, Result::kOk), 3 * Cost(yardstick, kAny, Result::kOk));
}

}  // namespace
}  // namespace dormouse::edge
