// Fuzz target: the frames of a client. Whatever arrives is read the same however it is cut, and what is read
// keeps within the bytes.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/frames/close_frame.h"
#include "gateway/edge/frames/frame_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse::edge {
namespace {

using Kind = FrameReader::Kind;

// What a reader makes of bytes, as text.
class Reading {
 public:
  explicit Reading(bool compressed) {
    if (compressed) reader_.AllowCompressed();
  }

  void Bring(std::string_view bytes) {
    std::string all = unread_ + std::string(bytes);
    std::span<char> rest(all);
    while (!wrong_) {
      const size_t left = rest.size();
      const FrameReader::Step step = reader_.Next(&rest);
      Demand(rest.size() <= left && rest.data() + rest.size() == all.data() + all.size(),
             "bytes are taken off the front");
      if (step.kind == Kind::kNothing) break;
      Demand(step.kind == Kind::kFail || step.data.empty() ||
                 (step.data.data() >= all.data() && step.data.data() + step.data.size() <= rest.data()),
             "what is read lies in what was taken");
      Take(step);
    }
    unread_.assign(rest.data(), rest.size());
    Demand(wrong_ || unread_.size() < FrameReader::kMaxUnread, "what is left is short");
  }
  const std::string& said() const { return said_; }

 private:
  void Take(const FrameReader::Step& step) {
    switch (step.kind) {
      case Kind::kPiece:
        Demand(step.first == !in_message_, "a message begins where the last one ended");
        Demand(!step.last || step.remaining == 0, "a message is over when its last frame is");
        in_message_ = !step.last;
        message_.append(step.data);
        if (!step.last) break;
        said_ += (step.binary ? "binary " : "text ") + message_ + "\n";
        message_.clear();
        break;
      case Kind::kFail:
        Demand(step.code == 1002 || step.code == 1007, "a breach has a code");
        wrong_ = true;
        said_ += "wrong " + std::to_string(step.code);
        break;
      case Kind::kClose:
        Demand(step.code == kNoCloseCode || IsCloseCode(step.code), "a close has a code that may be sent");
        said_ += "close " + std::to_string(step.code) + "\n";
        break;
      default:
        Demand(step.data.size() <= kMaxControlPayload, "control frames are short");
        said_ += (step.kind == Kind::kPing ? "ping " : "pong ") + std::string(step.data) + "\n";
        break;
    }
  }

  FrameReader reader_;
  std::string unread_;
  std::string message_;  // of which not all has come
  std::string said_;
  bool in_message_ = false;
  bool wrong_ = false;
};

}  // namespace

}  // namespace dormouse::edge

namespace dormouse {

std::vector<std::string> FuzzSeeds() {
  using namespace std::string_literals;
  return {
      "\x81\x85\x01\x02\x03\x04iggmn"s,
      "\x01\x82\0\0\0\0gr\x89\x83\0\0\0\0one\x80\x83\x11\x22\x33\x44xyz"s,
      "\x82\xfe\0\x80\x05\x06\x07\x08"s + std::string(128, 'b'),
      "\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0"s + std::string(200, 'c'),
      "\x88\x82\0\0\0\0\x03\xe8"s,
      "\xc1\x83\0\0\0\0\xca\xcc\0\x81\x80\0\0\0\0"s,
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::edge::Reading;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool compressed : {false, true}) {
    Reading whole(compressed);
    whole.Bring(bytes);
    Reading bits(compressed);
    for (const char byte : bytes) bits.Bring({&byte, 1});
    dormouse::Demand(whole.said() == bits.said(), "bytes mean the same however they are cut");
    Reading halves(compressed);
    const size_t cut = size == 0 ? 0 : data[size - 1] % size;
    halves.Bring(bytes.substr(0, cut));
    halves.Bring(bytes.substr(cut));
    dormouse::Demand(whole.said() == halves.said(), "bytes mean the same however they are cut");
  }
  return 0;
}
